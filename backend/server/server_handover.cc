// The server on its way to a successor process, and in it.
// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "backend/server/server.h"
#include "common/log.h"

namespace rendercar::server {

void Server::OfferHandover(UnixListener listener, absl::AnyInvocable<void()> on_handed_over) {
  Heritage& heritage = *this;
  handovers_ = std::make_unique<HandoverPort>(loop_, std::move(listener), heritage,
                                              std::move(on_handed_over));
}

absl::StatusOr<Frozen> Server::Freeze() {
  ServerState state;
  wire::LeftFds fds;
  Frozen frozen;
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  state.frozen_at_ns = std::chrono::nanoseconds(now).count();
  state.listener = fds.Put(listener_ ? listener_->fd() : -1);
  state.screenshots = fds.Put(screenshots_ ? screenshots_->listener_fd() : -1);
  state.handovers = fds.Put(handovers_->listener_fd());
  state.stats = fds.Put(stats_.fd());
  if (session_ != nullptr) RC_RETURN_IF_ERROR(session_->Freeze());
  // Whoever connects now is the successor's.
  watch_.reset();
  auto memory = session_ != nullptr ? session_->Save(std::move(state), fds) : Pack(state, {});
  if (!memory.ok()) {
    Thaw();
    return memory.status();
  }
  frozen.memory = *std::move(memory);
  frozen.fds = fds.all();
  return frozen;
}

void Server::Thaw() {
  if (session_ != nullptr) session_->Thaw();
  if (listener_) WatchListener();
}

absl::Status Server::Restore(ServerState& state, wire::TakenFds& fds,
                             std::span<const std::byte> pixels) {
  if (!state.frontend) return absl::OkStatus();
  UniqueFd socket = fds.Take(state.frontend->socket);
  if (!socket.valid()) return absl::InvalidArgumentError("the frontend's socket is missing");
  session_ = FrontendSession::Create(loop_, work_loop_, stats_, factory_, std::move(socket));
  return session_->Restore(*state.frontend, fds, pixels,
                           [this](const absl::Status& why) { OnSessionEnd(why); });
}

void Server::Begin() {
  if (session_ != nullptr) session_->Thaw();
}

}  // namespace rendercar::server
