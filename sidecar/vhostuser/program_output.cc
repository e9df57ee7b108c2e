// Runs a program and takes what it prints.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/vhostuser/program_output.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace rendercar::sidecar {
namespace {

constexpr size_t kMaxOutputBytes = 1 << 20;
using Clock = std::chrono::steady_clock;

int MsUntil(Clock::time_point deadline) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return left > 0 ? static_cast<int>(left) : 0;
}

// Until the other side closes, the deadline, or the limit.
std::string ReadUntil(int fd, Clock::time_point deadline) {
  std::string text;
  std::array<char, 4096> buffer{};
  pollfd waits{fd, POLLIN, 0};
  while (text.size() < kMaxOutputBytes && ::poll(&waits, 1, MsUntil(deadline)) > 0) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got <= 0) break;
    text.append(buffer.data(), static_cast<size_t>(got));
  }
  return text;
}

}  // namespace

absl::StatusOr<ProgramOutput> RunProgram(const std::vector<std::string>& argv,
                                         std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  int pipe_fds[2];
  if (::pipe2(pipe_fds, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe");
  const UniqueFd output(pipe_fds[0]);
  UniqueFd input(pipe_fds[1]);
  RC_ASSIGN_OR_RETURN(Subprocess child,
                      Subprocess::Start({.argv = argv, .fds = {{input.get(), 1}}}));
  input.Reset();
  std::string text = ReadUntil(output.get(), deadline);
  const auto end = child.Wait(std::chrono::milliseconds(MsUntil(deadline)));
  if (end) return ProgramOutput{*end, std::move(text)};
  return absl::DeadlineExceededError(
      absl::StrCat("'", argv[0], "' did not end within ", timeout.count(), " ms"));
}

}  // namespace rendercar::sidecar
