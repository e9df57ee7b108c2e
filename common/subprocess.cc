// A child process with an explicit list of descriptors, known by its pidfd.
// SPDX-License-Identifier: Apache-2.0
#include "common/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace rendercar {
namespace {

constexpr int kHighestPassedFd = 64;

// What the child needs, made before fork: between fork and exec only async-signal-safe system calls
// run (a multi-threaded parent's locks may be held), nothing allocates.
struct ChildPlan {
  std::vector<char*> argv;
  std::vector<char*> envp;
  std::vector<int> from;  // descriptors, moved out of the target range first
  std::vector<int> to;
  int error_pipe = -1;
  bool die_with_parent = true;
  pid_t parent = 0;
};

[[noreturn]] void ReportAndExit(int error_pipe) {
  const int error = errno;
  [[maybe_unused]] const ssize_t written = ::write(error_pipe, &error, sizeof(error));
  ::_exit(127);
}

[[noreturn]] void RunChild(const ChildPlan& plan) {
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  if (plan.die_with_parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != plan.parent) ::_exit(127);  // the parent died before the line above
  }
  for (size_t i = 0; i < plan.from.size(); ++i) {
    if (::dup2(plan.from[i], plan.to[i]) < 0) ReportAndExit(plan.error_pipe);
  }
  ::execve(plan.argv[0], plan.argv.data(), plan.envp.data());
  ReportAndExit(plan.error_pipe);
}

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& s : strings) pointers.push_back(const_cast<char*>(s.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

absl::Status ExecError(int error, const std::string& program) {
  return Annotate(ErrnoStatus(error, "exec"), absl::StrCat("cannot start '", program, "'"));
}

// Waits until exec closed the pipe (0) or the child wrote why it could not.
int ReadExecError(int fd) {
  int error = 0;
  ssize_t got = 0;
  do {
    got = ::read(fd, &error, sizeof(error));
  } while (got < 0 && errno == EINTR);
  return got == sizeof(error) ? error : 0;
}

}  // namespace

std::string ChildEnd::ToString() const {
  if (kind == Kind::kExited) return absl::StrCat("exited with code ", code);
  return absl::StrCat("was killed by signal ", code, " (", ::strsignal(code), ")");
}

Subprocess::Subprocess(Subprocess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)) {}

Subprocess& Subprocess::operator=(Subprocess&& other) noexcept {
  if (this != &other) {
    KillAndReap();
    pid_ = std::exchange(other.pid_, -1);
    pidfd_ = std::move(other.pidfd_);
  }
  return *this;
}

Subprocess::~Subprocess() { KillAndReap(); }

void Subprocess::KillAndReap() {
  if (!running()) return;
  Signal(SIGKILL);
  Wait(std::chrono::milliseconds(2000));
}

absl::StatusOr<Subprocess> Subprocess::Start(const Options& options) {
  RC_CHECK(!options.argv.empty(), "a child needs a program");
  ChildPlan plan;
  std::vector<std::string> env;
  for (char** entry = environ; *entry != nullptr; ++entry) env.emplace_back(*entry);
  env.insert(env.end(), options.extra_env.begin(), options.extra_env.end());
  plan.argv = Pointers(options.argv);
  plan.envp = Pointers(env);
  plan.die_with_parent = options.die_with_parent;
  plan.parent = ::getpid();
  // Copies above the target range, so that no dup2 overwrites a source that is still needed.
  std::vector<UniqueFd> copies;
  for (const auto& passed : options.fds) {
    RC_CHECK(passed.as >= 0 && passed.as <= kHighestPassedFd, "descriptor number out of range");
    copies.emplace_back(::fcntl(passed.fd, F_DUPFD_CLOEXEC, kHighestPassedFd + 1));
    if (!copies.back().valid()) return ErrnoStatus(errno, "duplicating a descriptor for a child");
    plan.from.push_back(copies.back().get());
    plan.to.push_back(passed.as);
  }
  int pipe_fds[2];
  if (::pipe2(pipe_fds, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe");
  const UniqueFd error_read(pipe_fds[0]);
  // Above the target range too.
  UniqueFd error_write(::fcntl(pipe_fds[1], F_DUPFD_CLOEXEC, kHighestPassedFd + 1));
  ::close(pipe_fds[1]);
  if (!error_write.valid()) return ErrnoStatus(errno, "duplicating a descriptor for a child");
  plan.error_pipe = error_write.get();

  const pid_t pid = ::fork();
  if (pid < 0) return ErrnoStatus(errno, "fork");
  if (pid == 0) RunChild(plan);
  error_write.Reset();
  if (const int error = ReadExecError(error_read.get()); error != 0) {
    ::waitpid(pid, nullptr, 0);
    return ExecError(error, options.argv[0]);
  }
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd.valid()) {
    const int error = errno;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return ErrnoStatus(error, "pidfd_open");
  }
  return Subprocess(pid, std::move(pidfd));
}

void Subprocess::Signal(int signal) const {
  if (running()) ::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0);
}

std::optional<ChildEnd> Subprocess::Wait(std::chrono::milliseconds timeout) {
  if (!running()) return std::nullopt;
  pollfd poll{pidfd_.get(), POLLIN, 0};
  int ready = 0;
  do {
    ready = ::poll(&poll, 1, static_cast<int>(timeout.count()));
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0) return std::nullopt;
  int status = 0;
  if (::waitpid(pid_, &status, 0) != pid_) status = 0;
  pidfd_.Reset();
  if (WIFSIGNALED(status)) return ChildEnd{ChildEnd::Kind::kSignaled, WTERMSIG(status)};
  return ChildEnd{ChildEnd::Kind::kExited, WEXITSTATUS(status)};
}

}  // namespace rendercar
