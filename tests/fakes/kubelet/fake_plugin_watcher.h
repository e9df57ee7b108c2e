// A stand-in for the kubelet's plugin watcher: asks a socket in plugins_registry what it is.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/status.h"

namespace rendercar::testing {

struct WatchedPlugin {
  std::string type;
  std::string name;
  std::string endpoint;
  std::string version;
};

// GetInfo, as the watcher does when the socket appears.
absl::StatusOr<WatchedPlugin> AskPlugin(const std::string& socket);
// NotifyRegistrationStatus; `error` empty: registered.
absl::Status TellPlugin(const std::string& socket, const std::string& error);

}  // namespace rendercar::testing
