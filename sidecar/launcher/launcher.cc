// The launcher: starts the control process, starts it again when it dies, and holds its children.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/launcher/launcher.h"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "common/log.h"
#include "common/unix_socket.h"

namespace rendercar::launcher {
namespace {

constexpr int kSocketInControl = 3;
constexpr int kSignaledBase = 128;  // as shells tell of a death by signal

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

}  // namespace

Launcher::Launcher(Config config) : config_(std::move(config)), pause_(config_.first_pause) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT}) sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_.Reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  RC_CHECK(signals_.valid(), "signalfd; raise the open-files limit");
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  loop_.Watch(signals_.get(), EPOLLIN, [this](uint32_t) { OnSignal(); });
}

Launcher::~Launcher() {
  loop_.Unwatch(signals_.get());
  if (socket_.valid()) loop_.Unwatch(socket_.get());
}

absl::Status Launcher::StartControl() {
  RC_ASSIGN_OR_RETURN(SocketPair pair, CreateSocketPair(SOCK_SEQPACKET));
  RC_ASSIGN_OR_RETURN(
      control_,
      Subprocess::Start({.argv = config_.argv,
                         .fds = {{pair.b.get(), kSocketInControl}},
                         .extra_env = {absl::StrCat(kSocketVariable, "=", kSocketInControl)}}));
  started_ = Clock::now();
  socket_ = std::move(pair.a);
  loop_.Watch(socket_.get(), EPOLLIN, [this](uint32_t) { OnRequest(); });
  return absl::OkStatus();
}

absl::StatusOr<int> Launcher::Run() {
  RC_RETURN_IF_ERROR(StartControl());
  log::Info("control process started", {{"pid", control_.pid()}});
  loop_.Run();
  return code_;
}

void Launcher::OnRequest() {
  absl::StatusOr<Message> request = Receive(socket_.get(), MSG_DONTWAIT);
  if (absl::IsUnavailable(request.status())) return;
  if (!request.ok()) {  // it goes, or it is broken: its end is what counts
    loop_.Unwatch(socket_.get());
    socket_.Reset();
    return;
  }
  // An answer that cannot be sent went to a control process that is gone; the next one asks again.
  Send(socket_.get(), children_.Handle(*std::move(request), generation_)).IgnoreError();
}

void Launcher::OnSignal() {
  signalfd_siginfo info{};
  bool stop = false;
  while (::read(signals_.get(), &info, sizeof(info)) > 0)
    stop = stop || info.ssi_signo != static_cast<uint32_t>(SIGCHLD);
  ReapAll();
  if (stop) Shutdown();
}

// Looks first and takes then, so that each child is reaped by the object that owns it.
void Launcher::ReapAll() {
  siginfo_t info{};
  while (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
    if (control_.running() && info.si_pid == control_.pid()) {
      const auto end = control_.Wait(milliseconds(0));
      OnControlEnd(end.value_or(ChildEnd{ChildEnd::Kind::kExited, 0}));
    } else if (!children_.Reap(info.si_pid)) {
      ::waitpid(info.si_pid, nullptr, WNOHANG);
    }
    info = {};
  }
  if (stopping_ && !control_.running() && children_.running() == 0) loop_.Quit();
}

void Launcher::OnControlEnd(const ChildEnd& end) {
  if (socket_.valid()) loop_.Unwatch(socket_.get());
  socket_.Reset();
  const bool exited = end.kind == ChildEnd::Kind::kExited;
  const bool for_good = exited && (end.code == 0 || children_.running() == 0);
  if (stopping_ || for_good) {
    Finish(exited ? end.code : kSignaledBase + end.code);
    return;
  }
  ++generation_;
  const milliseconds pause = NextPause();
  log::Warning("control process ended; sessions go on and it is started again",
               {{"how", end.ToString()},
                {"children", children_.running()},
                {"restart_in_ms", pause.count()},
                {"restarts", generation_}});
  loop_.PostAfter(pause, [this] { RestartControl(); });
}

milliseconds Launcher::NextPause() {
  if (Clock::now() - started_ >= config_.healthy_after) pause_ = config_.first_pause;
  const milliseconds pause = pause_;
  pause_ = std::min(pause_ * 2, config_.longest_pause);
  return pause;
}

void Launcher::RestartControl() {
  if (stopping_) return;
  const absl::Status status = StartControl();
  if (status.ok()) return;
  const milliseconds pause = NextPause();
  log::Error("cannot start the control process; sessions go on",
             {{"why", std::string(status.message())}, {"retry_in_ms", pause.count()}});
  loop_.PostAfter(pause, [this] { RestartControl(); });
}

// The control process ends its sessions itself; what it leaves is ended here.
void Launcher::Shutdown() {
  if (std::exchange(stopping_, true)) return;
  if (control_.running()) {
    control_.Signal(SIGTERM);
  } else {
    Finish(0);
  }
}

void Launcher::Finish(int code) {
  stopping_ = true;
  code_ = code;
  if (children_.running() == 0) {
    loop_.Quit();
    return;
  }
  children_.SignalAll(SIGTERM);
  loop_.PostAfter(config_.stop_grace, [this] { loop_.Quit(); });
}

}  // namespace rendercar::launcher
