// A vhost-user-gpu backend as a child process, started by the conventions that every backend shares
// (`--fd=N`, `--socket-path=PATH`).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "common/status.h"
#include "common/subprocess.h"
#include "common/unique_fd.h"
#include "tests/frontend/process_usage.h"

namespace rendercar::frontend {

// Which program, and how it is started besides its socket.
struct BackendProgram {
  std::string path;
  std::vector<std::string> args;  // --virgl, --render-node=..., --stats-path=...
  std::vector<std::string> env;   // LD_PRELOAD=...
};

// The backend of this build (RENDERCAR_BACKEND names another), and QEMU's own.
BackendProgram OwnBackend();
BackendProgram QemuBackend();
// Whether the program is there and can be executed.
bool IsInstalled(const BackendProgram& program);

class BackendProcess {
 public:
  BackendProcess() = default;

  // With one end of a socket pair as `--fd`; the other is TakeSocket().
  static absl::StatusOr<BackendProcess> StartWithFd(const BackendProgram& program);
  // With `--socket-path`, connected as soon as it listens.
  static absl::StatusOr<BackendProcess> StartWithPath(const BackendProgram& program,
                                                      const std::string& socket_path);

  UniqueFd TakeSocket() { return std::move(socket_); }

  pid_t pid() const { return child_.pid(); }
  bool alive() { return child_.running() && !end(); }
  // How it ended, once it has.
  std::optional<ChildEnd> end() { return WaitEnd(std::chrono::milliseconds(0)); }
  std::optional<ChildEnd> WaitEnd(std::chrono::milliseconds timeout);
  void Signal(int signal) const { child_.Signal(signal); }

  ProcessUsage usage() const { return UsageOf(pid()); }
  ProcessUsage tree_usage() const { return UsageOfTree(pid()); }

 private:
  Subprocess child_;
  UniqueFd socket_;
  std::optional<ChildEnd> end_;
};

}  // namespace rendercar::frontend
