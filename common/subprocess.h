// A child process with an explicit list of descriptors, known by its pidfd.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "common/status.h"
#include "common/unique_fd.h"

namespace rendercar {

// How a child ended.
struct ChildEnd {
  enum class Kind { kExited, kSignaled };
  Kind kind = Kind::kExited;
  int code = 0;  // the exit code, or the signal

  bool clean() const { return kind == Kind::kExited && code == 0; }
  // "exited with code 3", "was killed by signal 9 (Killed)".
  std::string ToString() const;
};

// Owns a child: killed (SIGKILL) and reaped when this object goes while it still runs.
class Subprocess {
 public:
  struct Options {
    std::vector<std::string> argv;  // argv[0] is the program's path
    // Descriptors that the child gets, each under the number that it is paired with; 0, 1 and 2
    // stay this process's unless named; every other one is closed. A number is 64 at most.
    struct PassedFd {
      int fd = -1;
      int as = -1;
    };
    std::vector<PassedFd> fds;
    std::vector<std::string> extra_env;  // "NAME=value", added to this process's environment
    bool die_with_parent =
        true;  // PR_SET_PDEATHSIG SIGKILL: the child of a dead parent is nobody's
  };

  Subprocess() = default;
  Subprocess(Subprocess&& other) noexcept;
  Subprocess& operator=(Subprocess&& other) noexcept;
  ~Subprocess();

  // NotFound or PermissionDenied, naming the program, when it cannot be executed.
  static absl::StatusOr<Subprocess> Start(const Options& options);

  bool running() const { return pidfd_.valid(); }
  pid_t pid() const { return pid_; }
  // Readable when the child has ended; for an EventLoop.
  int pidfd() const { return pidfd_.get(); }
  void Signal(int signal) const;
  // Reaps; nullopt when the child still runs after `timeout` (zero: only looks).
  std::optional<ChildEnd> Wait(std::chrono::milliseconds timeout);

 private:
  Subprocess(pid_t pid, UniqueFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  void KillAndReap();

  pid_t pid_ = -1;
  UniqueFd pidfd_;
};

}  // namespace rendercar
