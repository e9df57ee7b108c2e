// A newer backend that is to take over the VM of the one that runs.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/session/backend_upgrade.h"

#include <absl/strings/numbers.h>
#include <absl/strings/strip.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "common/unix_socket.h"

namespace rendercar::sidecar {
namespace {

constexpr int kStatusFd = 3;  // in the new process
constexpr size_t kMaxText = 2048;
constexpr char kTaken[] = "taken over ";
constexpr char kRefused[] = "refused: ";

absl::StatusOr<std::chrono::microseconds> OutcomeOf(const std::string& text) {
  absl::string_view line = absl::StripSuffix(text, "\n");
  int64_t pause_us = 0;
  if (absl::ConsumePrefix(&line, kTaken) && absl::SimpleAtoi(line, &pause_us))
    return std::chrono::microseconds(pause_us);
  if (absl::ConsumePrefix(&line, kRefused)) return absl::FailedPreconditionError(line);
  return absl::UnavailableError("the new backend ended before it could take over");
}

}  // namespace

absl::StatusOr<std::unique_ptr<BackendUpgrade>> BackendUpgrade::Start(
    EventLoop& loop, ProcessHost& processes, ChildRequest request, std::chrono::milliseconds bound,
    Told told) {
  RC_ASSIGN_OR_RETURN(SocketPair pair, CreateSocketPair(SOCK_STREAM));
  request.argv.push_back(absl::StrCat("--status-fd=", kStatusFd));
  request.fds.push_back({pair.b.get(), kStatusFd});
  RC_ASSIGN_OR_RETURN(std::unique_ptr<Child> child, processes.Start(request));
  auto upgrade = std::make_unique<BackendUpgrade>(loop, std::move(child), std::move(told));
  BackendUpgrade& self = *upgrade;
  self.status_ = std::move(pair.a);
  loop.Watch(self.status_.get(), EPOLLIN | EPOLLHUP, [&self](uint32_t) { self.OnStatus(); });
  loop.PostAfter(bound, [&self, alive = self.alive_, bound] {
    if (*alive)
      self.Tell(absl::UnavailableError(
          absl::StrCat("the new backend said nothing for ", bound.count(), " ms")));
  });
  return upgrade;
}

BackendUpgrade::BackendUpgrade(EventLoop& loop, std::unique_ptr<Child> child, Told told)
    : loop_(loop), child_(std::move(child)), told_(std::move(told)) {
  loop_.Watch(child_->pidfd(), EPOLLIN, [this](uint32_t) { OnEnd(); });
}

BackendUpgrade::~BackendUpgrade() {
  *alive_ = false;
  if (child_ && child_->running()) loop_.Unwatch(child_->pidfd());
  if (status_.valid()) loop_.Unwatch(status_.get());
}

std::unique_ptr<Child> BackendUpgrade::Take() {
  if (child_->running()) loop_.Unwatch(child_->pidfd());
  return std::move(child_);
}

void BackendUpgrade::OnStatus() {
  char bytes[512];
  const ssize_t got = ::recv(status_.get(), bytes, sizeof(bytes), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got > 0 && text_.size() < kMaxText) text_.append(bytes, static_cast<size_t>(got));
  if (got > 0 && text_.back() != '\n') return;
  loop_.Unwatch(status_.get());
  status_.Reset();
  // Of one that says nothing the end is told.
  if (text_.empty() && child_) return;
  Tell(OutcomeOf(text_));
}

void BackendUpgrade::OnEnd() {
  loop_.Unwatch(child_->pidfd());
  const std::optional<ChildEnd> end = child_->Wait(std::chrono::milliseconds(0));
  if (status_.valid()) OnStatus();  // its last words count more than its end
  Tell(absl::UnavailableError(
      absl::StrCat("the new backend ", end ? end->ToString() : "is gone", " before it took over")));
}

void BackendUpgrade::Tell(absl::StatusOr<std::chrono::microseconds> outcome) {
  if (!told_) return;
  Told told = std::exchange(told_, nullptr);
  loop_.Post([told = std::move(told), outcome = std::move(outcome), alive = alive_]() mutable {
    if (*alive) told(std::move(outcome));
  });
}

}  // namespace rendercar::sidecar
