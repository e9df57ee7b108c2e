// Scanouts and cursors on the display socket.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/display.h"

#include <cstring>
#include <utility>

namespace rendercar::gpu {
namespace {

constexpr uint32_t kMaxTilesAMessage = static_cast<uint32_t>(
    DisplayChannel::kMaxPixelBytes / (size_t{kTileWidth} * kTileHeight * kBytesPerPixel));

template <typename T>
std::span<const std::byte> Bytes(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

}  // namespace

Display::Display(EventLoop& loop, StatsWriter& stats, Options options)
    : loop_(loop),
      stats_(stats),
      options_(options),
      channel_(loop, stats, [this] { Pump(); }),
      alive_(std::make_shared<Display*>(this)) {
  // Until the frontend has said more: virtio 1.2, 5.7.5, "fallback".
  if (!options_.headless) {
    info_.pmodes[0].r.width = 1024;
    info_.pmodes[0].r.height = 768;
    info_.pmodes[0].enabled = 1;
  }
}

void Display::SetScanout(uint32_t id, std::shared_ptr<Surface> surface, const Rect& rect) {
  LeaveDmabuf(heads_[id]);
  heads_[id].scanout.Show(std::move(surface), rect);
}

void Display::DisableScanout(uint32_t id) {
  LeaveDmabuf(heads_[id]);
  heads_[id].scanout.Disable();
}

void Display::NoteChanges(Surface& surface, const Rect& rect) {
  if (surface.changed().empty()) return;
  for (Head& head : heads_) {
    if (head.scanout.surface().get() == &surface) head.scanout.NoteChanges(surface.changed(), rect);
  }
  surface.changed().Clear();
}

void Display::Flush(const Surface& surface, const Rect& rect) {
  if (surface.viewers == 0) return;
  for (Head& head : heads_) {
    if (head.scanout.surface().get() != &surface) continue;
    const Rect shown = Intersect(rect, head.scanout.rect());
    stats_.Count(StatsValue::kFlushedPixels, uint64_t{shown.width} * shown.height);
    if (head.scanout.Flush(rect)) stats_.Count(StatsValue::kFramesCoalesced);
  }
}

void Display::SetCursor(const virtio_gpu_cursor_pos& pos, uint32_t hot_x, uint32_t hot_y,
                        std::unique_ptr<CursorImage> image) {
  Cursor& cursor = heads_[pos.scanout_id].cursor;
  cursor.known = true;
  cursor.visible = image != nullptr;
  cursor.x = pos.x;
  cursor.y = pos.y;
  cursor.hot_x = hot_x;
  cursor.hot_y = hot_y;
  cursor.image = std::move(image);
  cursor.image_unsent = cursor.visible;
  cursor.position_unsent = !cursor.visible;
}

void Display::MoveCursor(const virtio_gpu_cursor_pos& pos) {
  Cursor& cursor = heads_[pos.scanout_id].cursor;
  cursor.known = true;
  cursor.x = pos.x;
  cursor.y = pos.y;
  cursor.position_unsent = !cursor.image_unsent;
}

void Display::Reset() {
  for (Head& head : heads_) {
    LeaveDmabuf(head);
    head.scanout.Disable();
    if (head.cursor.visible) {
      head.cursor.Forget();
      head.cursor.known = true;  // hidden, and the viewer is told
      head.cursor.position_unsent = true;
    }
  }
}

bool Display::HasNews() const {
  for (const Head& head : heads_) {
    const Rect& rect = head.scanout.rect();
    if ((negotiated_ && head.dmabuf.has_news()) || head.scanout.damaged() || head.cursor.unsent() ||
        rect.width != head.announced_width || rect.height != head.announced_height)
      return true;
  }
  return false;
}

void Display::BeginFrame() {
  frame_open_ = cooling_ = true;
  for (Head& head : heads_) head.scanout.BeginFrame();
  loop_.PostAfter(kFrameInterval, [alive = std::weak_ptr(alive_), epoch = epoch_] {
    const auto display = alive.lock();
    if (display == nullptr || (*display)->epoch_ != epoch) return;
    (*display)->cooling_ = false;
    (*display)->Pump();
  });
}

void Display::EndFrame() {
  const uint64_t bytes = std::exchange(frame_bytes_, 0);
  if (options_.bytes_per_second == 0 || bytes == 0) return;
  const std::chrono::duration<double> due(static_cast<double>(bytes) /
                                          static_cast<double>(options_.bytes_per_second));
  if (due <= kFrameInterval) return;
  holding_ = true;
  stats_.Count(StatsValue::kDisplayThrottles);
  loop_.PostAfter(std::chrono::duration_cast<std::chrono::nanoseconds>(due),
                  [alive = std::weak_ptr(alive_)] {
                    const auto display = alive.lock();
                    if (display == nullptr) return;
                    (*display)->holding_ = false;
                    (*display)->Pump();
                  });
}

void Display::Pump() {
  if (options_.headless || frozen_ || !channel_.connected()) return;
  SendFeatures();
  // Twice at most: the frame that is open, and the next one if it is due.
  while (frame_open_ || (!cooling_ && !holding_ && HasNews())) {
    if (!frame_open_) BeginFrame();
    frame_open_ = !SendFrame();
    if (frame_open_) return;
    EndFrame();
  }
}

bool Display::SendFrame() {
  for (uint32_t i = 0; i < VIRTIO_GPU_MAX_SCANOUTS; ++i) {
    const uint32_t id = (next_head_ + i) % VIRTIO_GPU_MAX_SCANOUTS;
    if (PumpHead(id)) continue;
    next_head_ = (id + 1) % VIRTIO_GPU_MAX_SCANOUTS;
    return false;
  }
  return true;
}

bool Display::PumpHead(uint32_t id) {
  Head& head = heads_[id];
  if (!PumpDmabuf(id)) return false;
  if (!head.dmabuf.shown() && !Announce(id)) return false;
  if (head.cursor.unsent() && !SendCursor(id)) return false;
  while (head.scanout.sending()) {
    if (!SendPart(id)) return false;
  }
  return true;
}

bool Display::Announce(uint32_t id) {
  Head& head = heads_[id];
  const Rect& rect = head.scanout.rect();
  if (rect.width == head.announced_width && rect.height == head.announced_height) return true;
  const wire::VhostUserGpuScanout scanout{id, rect.width, rect.height};
  if (!channel_.Send(wire::VHOST_USER_GPU_SCANOUT, Bytes(scanout))) return false;
  head.announced_width = rect.width;
  head.announced_height = rect.height;
  // The frontend makes a new, empty picture of it.
  head.scanout.DamageAll();
  head.scanout.BeginFrame();
  return true;
}

bool Display::SendCursor(uint32_t id) {
  Cursor& cursor = heads_[id].cursor;
  const wire::VhostUserGpuCursorPos pos{id, cursor.x, cursor.y};
  if (cursor.image_unsent) {
    wire::VhostUserGpuCursorUpdate update{};
    update.pos = pos;
    update.hot_x = cursor.hot_x;
    update.hot_y = cursor.hot_y;
    std::memcpy(update.data, cursor.image->data(), sizeof(update.data));
    if (!channel_.Send(wire::VHOST_USER_GPU_CURSOR_UPDATE, Bytes(update))) return false;
  } else {
    const uint32_t request =
        cursor.visible ? wire::VHOST_USER_GPU_CURSOR_POS : wire::VHOST_USER_GPU_CURSOR_POS_HIDE;
    if (!channel_.Send(request, Bytes(pos))) return false;
  }
  cursor.image_unsent = cursor.position_unsent = false;
  return true;
}

bool Display::SendPart(uint32_t id) {
  Scanout& scanout = heads_[id].scanout;
  const Rect part = scanout.TakePart(kMaxTilesAMessage);
  if (part.empty()) return true;
  const wire::VhostUserGpuUpdate update{id, part.x - scanout.rect().x, part.y - scanout.rect().y,
                                        part.width, part.height};
  std::array<iovec, DisplayChannel::kMaxPixelPieces> rows;
  Surface& surface = *scanout.surface();
  const size_t row_bytes = size_t{part.width} * kBytesPerPixel;
  // Rows of a full-width part lie one after the other: one piece.
  const bool whole_rows = part.width == surface.width();
  const size_t pieces = whole_rows ? 1 : part.height;
  const size_t piece_bytes = whole_rows ? row_bytes * part.height : row_bytes;
  for (uint32_t i = 0; i < pieces; ++i) rows[i] = {surface.pixel(part.x, part.y + i), piece_bytes};
  if (!channel_.Send(wire::VHOST_USER_GPU_UPDATE, Bytes(update), std::span(rows).first(pieces))) {
    scanout.PutBack(part);
    return false;
  }
  stats_.Count(StatsValue::kFramesShown);
  stats_.Count(StatsValue::kDisplayBytes, row_bytes * part.height);
  frame_bytes_ += row_bytes * part.height;
  return true;
}

}  // namespace rendercar::gpu
