// Keeps one backend running: starts it, knows when its socket listens, starts it again when it
// ends, and ends it for good.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/session/backend_supervisor.h"

#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "sidecar/session/socket_probe.h"

namespace rendercar::sidecar {

using std::chrono::milliseconds;

BackendSupervisor::BackendSupervisor(EventLoop& loop, ProcessHost& processes, Config config,
                                     BackendListener& listener)
    : loop_(loop),
      processes_(processes),
      config_(std::move(config)),
      listener_(listener),
      argv_(config_.argv),
      pause_(config_.first_pause) {}

BackendSupervisor::~BackendSupervisor() {
  *alive_ = false;
  if (running()) loop_.Unwatch(child_->pidfd());
}

void BackendSupervisor::After(milliseconds delay, Task task) {
  loop_.PostAfter(delay, [this, alive = alive_, run = run_, todo = std::move(task)]() mutable {
    if (*alive && run == run_) todo();
  });
}

absl::Status BackendSupervisor::Start() {
  RC_CHECK(state_ == State::kIdle, "a supervisor starts once");
  return Launch();
}

absl::Status BackendSupervisor::Launch() {
  ChildRequest request;
  request.name = config_.name;
  request.argv = argv_;
  RC_ASSIGN_OR_RETURN(child_, processes_.Start(request));
  ++run_;
  state_ = State::kStarting;
  waited_ = milliseconds(0);
  WatchEnd();
  After(milliseconds(0), [this] { Poll(); });
  listener_.OnStarted(child_->pid());
  return absl::OkStatus();
}

void BackendSupervisor::WatchEnd() {
  loop_.Watch(child_->pidfd(), EPOLLIN, [this](uint32_t) { OnExit(); });
}

void BackendSupervisor::Adopt(std::unique_ptr<Child> child, bool listened, uint64_t restarts,
                              std::unique_ptr<Child> candidate) {
  RC_CHECK(state_ == State::kIdle, "a supervisor starts once");
  restarts_ = restarts;
  if (candidate)
    upgrade_ = std::make_unique<BackendUpgrade>(
        loop_, std::move(candidate), [this](auto outcome) { OnUpgradeTold(std::move(outcome)); });
  if (!child) {
    state_ = State::kBackingOff;
    After(milliseconds(0), [this] { Restart(); });
    return;
  }
  child_ = std::move(child);
  ++run_;
  WatchEnd();
  state_ = listened ? State::kReady : State::kStarting;
  if (!listened) After(milliseconds(0), [this] { Poll(); });
}

void BackendSupervisor::Poll() {
  if (state_ != State::kStarting) return;
  if (IsListening(config_.socket_path)) {
    state_ = State::kReady;
    listener_.OnReady();
    return;
  }
  if (waited_ >= config_.start_timeout) {
    Kill(absl::StrCat("it did not listen on '", config_.socket_path, "' within ",
                      config_.start_timeout.count(), " ms"));
    return;
  }
  waited_ += config_.poll;
  After(config_.poll, [this] { Poll(); });
}

void BackendSupervisor::Kill(const std::string& reason) {
  listener_.OnKilled(reason);
  child_->Signal(SIGKILL);
}

void BackendSupervisor::Upgrade(const std::string& program, UpgradeCallback done) {
  if (upgrade_ != nullptr)
    return done(absl::FailedPreconditionError("another upgrade of this session is under way"));
  if (state_ != State::kReady || !running())
    return done(absl::FailedPreconditionError("no backend is ready; there is nothing to upgrade"));
  if (config_.handover_path.empty())
    return done(absl::FailedPreconditionError(
        "this backend has no socket for it: the sidecar runs with --control-socket=off, or that "
        "socket's directory has a path that is too long"));
  ChildRequest request;
  request.name = config_.name;
  request.argv = argv_;
  request.argv.front() = program;
  request.argv.push_back(absl::StrCat("--take-over=", config_.handover_path));
  auto upgrade = BackendUpgrade::Start(loop_, processes_, std::move(request), config_.start_timeout,
                                       [this](auto outcome) { OnUpgradeTold(std::move(outcome)); });
  if (!upgrade.ok()) return done(upgrade.status());
  upgrade_ = *std::move(upgrade);
  ++upgrade_number_;
  upgrade_program_ = program;
  upgrade_done_ = std::move(done);
}

void BackendSupervisor::OnUpgradeTold(absl::StatusOr<std::chrono::microseconds> outcome) {
  const bool taken = outcome.ok();
  upgrade_told_ = std::move(outcome);
  if (!taken || replaced_) return FinishUpgrade();
  // It has given everything away and ends by itself, at once.
  After(config_.stop_grace, [this, number = upgrade_number_] {
    if (number == upgrade_number_ && upgrade_ != nullptr && !replaced_) child_->Signal(SIGKILL);
  });
}

void BackendSupervisor::Replace() {
  replaced_ = true;
  child_ = upgrade_->Take();
  if (!upgrade_program_.empty()) argv_.front() = upgrade_program_;
  WatchEnd();
  // Of one that an earlier control process began nothing more is told.
  if (upgrade_told_ || !upgrade_done_) FinishUpgrade();
}

void BackendSupervisor::FinishUpgrade() {
  upgrade_.reset();  // ends it, unless it is the backend now
  const bool replaced = std::exchange(replaced_, false);
  auto outcome = std::exchange(upgrade_told_, std::nullopt)
                     .value_or(absl::StatusOr<std::chrono::microseconds>(0));
  upgrade_program_.clear();
  UpgradeCallback done = std::exchange(upgrade_done_, nullptr);
  if (replaced && outcome.ok()) listener_.OnUpgraded(child_->pid(), *outcome);
  if (done) done(std::move(outcome));
}

milliseconds BackendSupervisor::NextPause(bool failed) {
  if (!failed) {
    pause_ = config_.first_pause;
    return milliseconds(0);
  }
  const milliseconds pause = pause_;
  pause_ = std::min(pause_ * 2, config_.longest_pause);
  return pause;
}

void BackendSupervisor::OnExit() {
  loop_.Unwatch(child_->pidfd());
  const std::optional<ChildEnd> end = child_->Wait(milliseconds(0));
  if (state_ == State::kStopping) {
    FinishStop();
    return;
  }
  if (upgrade_ != nullptr && upgrade_->running()) return Replace();
  const bool was_ready = state_ == State::kReady;
  const milliseconds pause = NextPause(!was_ready || !end || !end->clean());
  state_ = State::kBackingOff;
  ++run_;
  After(pause, [this] { Restart(); });
  listener_.OnEnded(end ? end->ToString() : "is gone", was_ready, pause);
}

void BackendSupervisor::Restart() {
  ++restarts_;
  const absl::Status status = Launch();
  if (status.ok()) return;
  const milliseconds pause = NextPause(true);
  state_ = State::kBackingOff;
  After(pause, [this] { Restart(); });
  listener_.OnEnded(std::string(status.message()), false, pause);
}

void BackendSupervisor::Stop() {
  if (state_ == State::kStopping || state_ == State::kStopped) return;
  state_ = State::kStopping;
  ++run_;
  if (upgrade_ != nullptr && !replaced_) OnUpgradeTold(absl::CancelledError("the session ends"));
  if (!running()) {
    After(milliseconds(0), [this] { FinishStop(); });
    return;
  }
  child_->Signal(SIGTERM);
  After(config_.stop_grace, [this] {
    Kill(absl::StrCat("it ignored SIGTERM for ", config_.stop_grace.count(), " ms"));
  });
}

void BackendSupervisor::FinishStop() {
  ++run_;
  state_ = State::kStopped;
  struct stat info {};
  const char* path = config_.socket_path.c_str();
  if (::lstat(path, &info) == 0 && S_ISSOCK(info.st_mode)) ::unlink(path);
  listener_.OnStopped();
}

}  // namespace rendercar::sidecar
