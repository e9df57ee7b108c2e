// Scanouts and cursors on the display socket.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/display.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

namespace rendercar::gpu {
namespace {

constexpr uint32_t kMaxTilesAMessage = static_cast<uint32_t>(
    DisplayChannel::kMaxPixelBytes / (size_t{kTileWidth} * kTileHeight * kBytesPerPixel));

// In each window a head sends as much as its picture has, and at least what costs next to nothing:
// a guest that redraws faster than anybody can look pays for its own drawing only, and the frontend
// is not kept busy. Small updates are never held back by this.
constexpr std::chrono::milliseconds kPacingWindow{10};
constexpr uint64_t kFreeBytesAWindow = uint64_t{2} << 20;

template <typename T>
std::span<const std::byte> Bytes(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

}  // namespace

Display::Display(EventLoop& loop, StatsWriter& stats, Options options)
    : loop_(loop), stats_(stats), options_(options), channel_(loop, stats, [this] { Pump(); }) {
  // Until the frontend has said more: virtio 1.2, 5.7.5, "fallback".
  if (!options_.headless) {
    info_.pmodes[0].r.width = 1024;
    info_.pmodes[0].r.height = 768;
    info_.pmodes[0].enabled = 1;
  }
}

void Display::SetScanout(uint32_t id, std::shared_ptr<Surface> surface, const Rect& rect) {
  heads_[id].scanout.Show(std::move(surface), rect);
}

void Display::DisableScanout(uint32_t id) { heads_[id].scanout.Disable(); }

void Display::NoteChanges(Surface& surface) {
  if (surface.changed().empty()) return;
  for (Head& head : heads_) {
    if (head.scanout.surface().get() == &surface) head.scanout.NoteChanges(surface.changed());
  }
  surface.changed().Clear();
}

void Display::Flush(const Surface& surface, const Rect& rect) {
  if (surface.viewers == 0) return;
  for (Head& head : heads_) {
    if (head.scanout.surface().get() != &surface) continue;
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
    head.scanout.Disable();
    if (head.cursor.visible) {
      head.cursor.Forget();
      head.cursor.known = true;  // hidden, and the viewer is told
      head.cursor.position_unsent = true;
    }
  }
}

void Display::Pump() {
  if (options_.headless || !channel_.connected()) return;
  SendFeatures();
  for (uint32_t i = 0; i < VIRTIO_GPU_MAX_SCANOUTS; ++i) {
    const uint32_t id = (next_head_ + i) % VIRTIO_GPU_MAX_SCANOUTS;
    if (PumpHead(id)) continue;
    next_head_ = (id + 1) % VIRTIO_GPU_MAX_SCANOUTS;
    return;
  }
}

bool Display::PumpHead(uint32_t id) {
  Head& head = heads_[id];
  if (!Announce(id)) return false;
  if (head.cursor.unsent() && !SendCursor(id)) return false;
  while (head.scanout.damaged()) {
    if (IsPaced(id)) return true;
    if (!SendDamage(id)) return false;
  }
  return true;
}

bool Display::IsPaced(uint32_t id) const {
  const Head& head = heads_[id];
  const uint64_t picture =
      uint64_t{head.scanout.rect().width} * head.scanout.rect().height * kBytesPerPixel;
  return head.window_open && head.sent_bytes >= std::max(picture, kFreeBytesAWindow);
}

void Display::Spend(uint32_t id, uint64_t bytes) {
  Head& head = heads_[id];
  head.sent_bytes += bytes;
  if (std::exchange(head.window_open, true)) return;
  loop_.PostAfter(kPacingWindow, [this, id, alive = alive_] {
    if (!*alive) return;
    heads_[id].window_open = false;
    heads_[id].sent_bytes = 0;
    Pump();
  });
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

bool Display::SendDamage(uint32_t id) {
  Scanout& scanout = heads_[id].scanout;
  const Rect part = scanout.TakeDamage(kMaxTilesAMessage);
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
  Spend(id, row_bytes * part.height);
  return true;
}

}  // namespace rendercar::gpu
