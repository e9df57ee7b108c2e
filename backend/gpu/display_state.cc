// The display of a device that a successor process goes on with.
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "backend/gpu/display.h"

namespace rendercar::gpu {

void DisplayChannel::Freeze() {
  frozen_ = true;
  if (socket_.valid() && watched_events_ != 0) loop_.Unwatch(socket_.get());
  watched_events_ = 0;
}

void DisplayChannel::Thaw() {
  frozen_ = false;
  UpdateWatch();
}

void DisplayChannel::Save(DisplayState& state, wire::LeftFds& fds) const {
  state.socket = fds.Put(socket_.get());
  state.unsent = unsent_;
  for (const Pending& pending : pending_) state.pending.push_back(pending.request);
  state.received.assign(received_.begin(),
                        received_.begin() + static_cast<ptrdiff_t>(received_bytes_));
}

absl::Status DisplayChannel::Restore(DisplayState& state, UniqueFd socket,
                                     absl::FunctionRef<ReplyHandler(uint32_t request)> handler_of) {
  if (state.received.size() > received_.size() || state.pending.size() > kMaxPendingReplies ||
      !std::all_of(state.pending.begin(), state.pending.end(), wire::HasReply))
    return absl::InvalidArgumentError("the display socket's state cannot be one");
  const int flags = ::fcntl(socket.get(), F_GETFL);
  if (flags < 0 || (flags & O_NONBLOCK) == 0)
    return absl::InvalidArgumentError("the display socket is none, or it blocks");
  socket_ = std::move(socket);
  send_buffer_bytes_ = SetSendBuffer(socket_.get());
  unsent_ = std::move(state.unsent);
  for (const uint32_t request : state.pending) pending_.push_back({request, handler_of(request)});
  std::copy(state.received.begin(), state.received.end(), received_.begin());
  received_bytes_ = state.received.size();
  return absl::OkStatus();
}

void Display::Freeze() {
  frozen_ = true;
  channel_.Freeze();
}

void Display::Thaw() {
  frozen_ = false;
  channel_.Thaw();
  Pump();
}

void Display::Save(DeviceState& state, wire::LeftFds& fds,
                   absl::FunctionRef<uint32_t(const std::shared_ptr<Surface>&)> number_of) const {
  DisplayState& display = state.display;
  channel_.Save(display, fds);
  display.negotiated = negotiated_;
  display.features_unsent = features_unsent_;
  display.protocol_features = protocol_features_;
  display.info = info_;
  for (size_t id = 0; id < heads_.size(); ++id) {
    const Head& head = heads_[id];
    HeadState& saved = state.heads[id];
    saved.surface = number_of(head.scanout.surface());
    saved.rect = head.scanout.rect();
    saved.announced_width = head.announced_width;
    saved.announced_height = head.announced_height;
    saved.viewer_has_dmabuf = head.dmabuf.viewer_has_one || head.dmabuf.left;
    const Cursor& cursor = head.cursor;
    saved.cursor_known = cursor.known;
    saved.cursor_visible = cursor.visible;
    saved.cursor_x = cursor.x;
    saved.cursor_y = cursor.y;
    saved.cursor_hot_x = cursor.hot_x;
    saved.cursor_hot_y = cursor.hot_y;
    saved.cursor_image_unsent = cursor.image_unsent;
    saved.cursor_position_unsent = cursor.position_unsent;
    if (cursor.image != nullptr) saved.cursor_image = *cursor.image;
  }
}

absl::Status Display::RestoreHead(const HeadState& state, Head& head,
                                  const std::shared_ptr<Surface>& surface) {
  if (state.cursor_image_unsent && !state.cursor_image)
    return absl::InvalidArgumentError("a cursor without its picture");
  if (surface != nullptr) {
    if (state.rect.empty() || !Fits(state.rect, surface->width(), surface->height()))
      return absl::InvalidArgumentError("a head that shows more than there is");
    head.scanout.Show(surface, state.rect);
  }
  head.announced_width = state.announced_width;
  head.announced_height = state.announced_height;
  // The renderer that it came from is gone.
  head.dmabuf.left = state.viewer_has_dmabuf;
  Cursor& cursor = head.cursor;
  cursor.known = state.cursor_known;
  cursor.visible = state.cursor_visible;
  cursor.x = state.cursor_x;
  cursor.y = state.cursor_y;
  cursor.hot_x = state.cursor_hot_x;
  cursor.hot_y = state.cursor_hot_y;
  cursor.image_unsent = state.cursor_image_unsent;
  cursor.position_unsent = state.cursor_position_unsent;
  if (state.cursor_image) cursor.image = std::make_unique<CursorImage>(*state.cursor_image);
  return absl::OkStatus();
}

absl::Status Display::Restore(DeviceState& state, UniqueFd socket,
                              absl::FunctionRef<std::shared_ptr<Surface>(uint32_t)> surface_of) {
  DisplayState& display = state.display;
  negotiated_ = display.negotiated;
  features_unsent_ = display.features_unsent;
  protocol_features_ = display.protocol_features;
  info_ = display.info;
  for (size_t id = 0; id < heads_.size(); ++id) {
    const HeadState& head = state.heads[id];
    RC_RETURN_IF_ERROR(RestoreHead(head, heads_[id], surface_of(head.surface)));
  }
  if (display.socket == wire::kNoFd) return absl::OkStatus();
  // Who asked has been answered before, but for the question that this object itself began with.
  bool features_due = !display.negotiated;
  return channel_.Restore(display, std::move(socket), [&](uint32_t request) {
    const bool ours =
        request == wire::VHOST_USER_GPU_GET_PROTOCOL_FEATURES && std::exchange(features_due, false);
    return [this, ours, epoch = epoch_](std::span<const std::byte> payload) {
      if (ours && epoch == epoch_) OnProtocolFeatures(payload);
    };
  });
}

}  // namespace rendercar::gpu
