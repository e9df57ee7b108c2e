// rendercar-sidecar vhost-user-json list|check|install|remove.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "common/status.h"

namespace rendercar::sidecar {

struct JsonOptions {
  std::vector<std::string> dirs;  // empty: libvirt's
  bool session = false;
  bool force = false;
  std::string dir = "/etc/qemu/vhost-user";
  std::string binary = "/usr/bin/rendercar-backend";
  std::string name;
  // What was chosen; prints on stdout.
  std::function<absl::Status(const JsonOptions&)> run;
};

CLI::App* AddJsonCommand(CLI::App& app, JsonOptions& options);

}  // namespace rendercar::sidecar
