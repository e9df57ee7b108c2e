// Where a successor process asks for the VM of this one.
// SPDX-License-Identifier: Apache-2.0
#include "backend/server/handover_port.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <span>
#include <utility>

#include "common/log.h"

namespace rendercar::server {
namespace {

using handover::Kind;
using handover::Message;

// From the connection to its first message.
constexpr std::chrono::seconds kHelloBound{5};

bool IsAllowed(int socket) {
  const auto peer = GetPeerCredentials(socket);
  return peer.ok() && (peer->uid == 0 || peer->uid == ::geteuid());
}

absl::Status SendMessage(int socket, const Message& message, std::span<const int> fds = {}) {
  return SendWithFds(socket, std::as_bytes(std::span(&message, 1)), fds).status();
}

}  // namespace

HandoverPort::HandoverPort(EventLoop& loop, UnixListener listener, Heritage& heritage,
                           absl::AnyInvocable<void()> on_handed_over)
    : loop_(loop),
      listener_(std::move(listener)),
      heritage_(heritage),
      on_handed_over_(std::move(on_handed_over)) {
  watch_ = std::make_unique<AcceptWatch>(
      loop_, listener_, [this](UniqueFd socket) { OnConnection(std::move(socket)); });
}

HandoverPort::~HandoverPort() {
  *alive_ = false;
  watch_.reset();
  if (successor_.valid()) loop_.Unwatch(successor_.get());
}

void HandoverPort::OnConnection(UniqueFd socket) {
  if (!IsAllowed(socket.get())) return;
  if (successor_.valid()) {
    SendMessage(socket.get(),
                Message(Kind::kRefused, "another upgrade of this session is under way"))
        .IgnoreError();
    return;
  }
  successor_ = std::move(socket);
  loop_.Watch(successor_.get(), EPOLLIN | EPOLLHUP, [this](uint32_t) { OnReadable(); });
  GiveUpAfter(kHelloBound);
}

void HandoverPort::GiveUpAfter(std::chrono::milliseconds bound) {
  loop_.PostAfter(bound, [this, alive = alive_, step = ++step_, bound] {
    if (*alive && step == step_)
      GoOn(fmt::format("the new backend said nothing for {} ms", bound.count()));
  });
}

void HandoverPort::OnReadable() {
  Message message;
  const auto received = ReceiveWithFds(
      successor_.get(), std::as_writable_bytes(std::span(&message, 1)), 0, MSG_DONTWAIT);
  if (absl::IsUnavailable(received.status())) return;
  if (!received.ok() || received->size == 0) return GoOn("the new backend is gone");
  if (received->size != sizeof(message) || message.magic != handover::kMagic)
    return GoOn("the new backend does not speak this protocol");
  if (message.kind == Kind::kHello && !frozen_) {
    const absl::Status sent = OnHello(message);
    if (!sent.ok()) GoOn(std::string(sent.message()));
  } else if (message.kind == Kind::kPrepared && frozen_) {
    Commit();
  } else {
    GoOn(message.kind == Kind::kRefused ? message.why() : "the new backend says what it must not");
  }
}

absl::Status HandoverPort::OnHello(const Message& hello) {
  if (kStateVersion < hello.oldest_version || kStateVersion > hello.version)
    return absl::FailedPreconditionError(
        fmt::format("the new backend reads states of version {} to {}, this one hands over {}",
                    hello.oldest_version, hello.version, kStateVersion));
  log::Info("a new backend takes over");
  RC_ASSIGN_OR_RETURN(const Frozen frozen, heritage_.Freeze());
  frozen_ = true;
  RC_RETURN_IF_ERROR(SendState(frozen));
  GiveUpAfter(handover::kPrepareBound);
  return absl::OkStatus();
}

absl::Status HandoverPort::SendState(const Frozen& frozen) {
  std::vector<int> fds{frozen.memory.get()};
  fds.insert(fds.end(), frozen.fds.begin(), frozen.fds.end());
  if (fds.size() > handover::kMaxFds)
    return absl::FailedPreconditionError("the VM has too many memory regions");
  Message state(Kind::kState);
  state.fds = static_cast<uint32_t>(fds.size());
  RC_RETURN_IF_ERROR(SendMessage(successor_.get(), state));
  for (size_t at = 0; at < fds.size(); at += handover::kFdsAtOnce) {
    const auto some = std::span(fds).subspan(at, std::min(handover::kFdsAtOnce, fds.size() - at));
    Message part(Kind::kFds);
    part.fds = static_cast<uint32_t>(some.size());
    RC_RETURN_IF_ERROR(SendMessage(successor_.get(), part, some));
  }
  return absl::OkStatus();
}

void HandoverPort::Commit() {
  const absl::Status told = SendMessage(successor_.get(), Message(Kind::kCommit));
  if (!told.ok()) return GoOn("the new backend is gone");
  on_handed_over_();
}

void HandoverPort::GoOn(const std::string& why) {
  ++step_;
  log::Warning("the upgrade is off; going on as before", {{"why", why}});
  if (std::exchange(frozen_, false)) heritage_.Thaw();
  SendMessage(successor_.get(), Message(Kind::kRefused, why)).IgnoreError();
  loop_.Unwatch(successor_.get());
  successor_.Reset();
}

}  // namespace rendercar::server
