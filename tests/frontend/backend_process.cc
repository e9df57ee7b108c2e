// A vhost-user-gpu backend as a child process, started by the conventions that every backend shares
// (`--fd=N`, `--socket-path=PATH`).
// SPDX-License-Identifier: Apache-2.0
#include "tests/frontend/backend_process.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "common/unix_socket.h"

#ifndef RENDERCAR_BACKEND_PATH
#error "the build names the backend's path"
#endif

namespace rendercar::frontend {
namespace {

constexpr int kBackendFd = 3;

// A backend's log is noise in a test's output unless somebody looks for it.
UniqueFd LogSink() {
  const char* verbose = std::getenv("RENDERCAR_TEST_VERBOSE");
  return UniqueFd(verbose != nullptr ? ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)
                                     : ::open("/dev/null", O_WRONLY | O_CLOEXEC));
}

Subprocess::Options OptionsFor(const BackendProgram& program, const UniqueFd& log) {
  Subprocess::Options options;
  options.argv = {program.path};
  options.argv.insert(options.argv.end(), program.args.begin(), program.args.end());
  options.extra_env = program.env;
  options.fds = {{log.get(), STDOUT_FILENO}, {log.get(), STDERR_FILENO}};
  return options;
}

}  // namespace

BackendProgram OwnBackend() {
  const char* chosen = std::getenv("RENDERCAR_BACKEND");
  return {chosen != nullptr ? chosen : RENDERCAR_BACKEND_PATH, {}, {}};
}

BackendProgram QemuBackend() { return {"/usr/lib/qemu/vhost-user-gpu", {}, {}}; }

bool IsInstalled(const BackendProgram& program) {
  return ::access(program.path.c_str(), X_OK) == 0;
}

absl::StatusOr<BackendProcess> BackendProcess::StartWithFd(const BackendProgram& program) {
  BackendProcess process;
  RC_ASSIGN_OR_RETURN(SocketPair pair, CreateSocketPair(SOCK_STREAM));
  const UniqueFd log = LogSink();
  Subprocess::Options options = OptionsFor(program, log);
  options.argv.push_back("--fd=" + std::to_string(kBackendFd));
  options.fds.push_back({pair.b.get(), kBackendFd});
  RC_ASSIGN_OR_RETURN(process.child_, Subprocess::Start(options));
  process.socket_ = std::move(pair.a);
  return process;
}

absl::StatusOr<BackendProcess> BackendProcess::StartWithPath(const BackendProgram& program,
                                                             const std::string& socket_path) {
  BackendProcess process;
  const UniqueFd log = LogSink();
  Subprocess::Options options = OptionsFor(program, log);
  options.argv.push_back("--socket-path=" + socket_path);
  RC_ASSIGN_OR_RETURN(process.child_, Subprocess::Start(options));
  for (int attempt = 0; attempt < 10'000; ++attempt) {
    absl::StatusOr<UniqueFd> socket = ConnectUnix(socket_path);
    if (socket.ok()) {
      process.socket_ = *std::move(socket);
      return process;
    }
    if (const std::optional<ChildEnd> end = process.end()) {
      return absl::UnavailableError("the backend " + end->ToString() + " before it listened");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return absl::DeadlineExceededError("the backend never listened on " + socket_path);
}

std::optional<ChildEnd> BackendProcess::WaitEnd(std::chrono::milliseconds timeout) {
  if (!end_ && child_.running()) end_ = child_.Wait(timeout);
  return end_;
}

}  // namespace rendercar::frontend
