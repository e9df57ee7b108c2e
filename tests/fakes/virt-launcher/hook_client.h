// A stand-in for virt-launcher's side of KubeVirt's hook sidecars: finds their sockets and calls
// them as it does, traps included.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "common/status.h"

namespace rendercar::testing {

// One sidecar as Collect found it.
struct Hook {
  std::string socket;
  std::string name;
  std::string version;              // the newest that both know
  std::vector<std::string> points;  // what it wants to be called for
};

struct CollectOptions {
  std::string dir;  // hooks directory; each sidecar has a subdirectory of it
  size_t count = 1;
  std::chrono::milliseconds timeout{240'000};
};

// Every 300 ms dials every entry of every subdirectory that is no directory, one after the other,
// 2 s each, until `count` file names have answered Info. A dial that fails is tried again; an Info
// that fails or knows no version in common ends virt-launcher, so it is the answer; the same file
// name in two subdirectories counts once. DeadlineExceeded after `timeout`.
absl::StatusOr<std::vector<Hook>> CollectHooks(const CollectOptions& options);

// A new connection each; the budget for a definition is 5 s.
absl::StatusOr<std::string> CallOnDefineDomain(const Hook& hook, const std::string& xml,
                                               const std::string& vmi);
absl::Status CallShutdown(const Hook& hook);

// The plugin protocol: waits for the socket, refuses links and paths that are too long.
absl::StatusOr<std::string> CallMutateDomain(const std::string& socket, const std::string& xml,
                                             const std::string& vmi,
                                             const std::string& invocation_context);

}  // namespace rendercar::testing
