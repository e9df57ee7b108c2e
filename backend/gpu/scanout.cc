// One head.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/scanout.h"

#include "backend/gpu/tile_copy.h"

namespace rendercar::gpu {
namespace {

// The tiles that `rect` touches, whole; of a picture so large.
Rect WholeTiles(const Rect& rect, const Surface& surface) {
  const uint32_t x = rect.x / kTileWidth * kTileWidth, y = rect.y / kTileHeight * kTileHeight;
  const uint32_t right = (rect.x + rect.width + kTileWidth - 1) / kTileWidth * kTileWidth;
  const uint32_t bottom = (rect.y + rect.height + kTileHeight - 1) / kTileHeight * kTileHeight;
  return Intersect({x, y, right - x, bottom - y}, {0, 0, surface.width(), surface.height()});
}

bool Contains(const Rect& outer, const Rect& inner) { return Unite(outer, inner) == outer; }

}  // namespace

void Scanout::Show(std::shared_ptr<Surface> surface, const Rect& rect) {
  const bool same_place = surface_ != nullptr && rect == rect_ &&
                          surface->width() == surface_->width() &&
                          surface->height() == surface_->height();
  if (same_place && surface == surface_) return;
  if (same_place) {
    // A page flip: only what the two pictures do not share has to be sent.
    damage_.Take(stale_);
    CompareSurfaces(*surface_, *surface, rect, damage_.tiles);
    damage_.bounds = rect;
  } else {
    const TileMap none(surface->width(), surface->height());
    stale_ = damage_ = sending_ = {none, {}};
    damage_.tiles.SetRect(rect);
    damage_.bounds = rect;
  }
  ++surface->viewers;
  if (surface_ != nullptr) --surface_->viewers;
  surface_ = std::move(surface);
  rect_ = rect;
}

void Scanout::Disable() {
  if (surface_ == nullptr) return;
  --surface_->viewers;
  surface_.reset();
  rect_ = {};
  stale_ = damage_ = sending_ = {};
}

void Scanout::NoteChanges(const TileMap& changed, const Rect& rect) {
  stale_.tiles.Merge(changed);
  stale_.bounds = Unite(stale_.bounds, rect);
}

bool Scanout::Flush(const Rect& rect) {
  const bool had_damage = damaged();
  const Rect shown = Intersect(rect, rect_);
  if (shown.empty() || stale_.empty()) return had_damage;
  if (Contains(rect, stale_.bounds)) {
    damage_.Take(stale_);
  } else {
    // A tile of which only a part is flushed is shown whole: its stale bit goes.
    damage_.tiles.TakeRect(stale_.tiles, shown);
    damage_.bounds = Unite(damage_.bounds, WholeTiles(shown, *surface_));
    if (stale_.tiles.empty()) stale_.bounds = {};
  }
  DropWhatIsBeingSent();
  return had_damage;
}

void Scanout::DropWhatIsBeingSent() {
  // Tiles that wait to be sent will go out as they are then: with this damage in them.
  if (!sending() || !Contains(sending_.bounds, damage_.bounds)) return;
  damage_.tiles.Subtract(sending_.tiles);
  if (damage_.empty()) damage_.Clear();
}

void Scanout::DamageAll() {
  if (!enabled()) return;
  stale_.Clear();
  sending_.Clear();
  damage_.tiles.SetRect(rect_);
  damage_.bounds = rect_;
}

Rect Scanout::TakePart(uint32_t max_tiles) {
  const Rect wanted = Intersect(sending_.bounds, rect_);
  while (sending()) {
    const Rect part = Intersect(sending_.tiles.TakeNext(max_tiles), wanted);
    if (!part.empty()) return part;
  }
  sending_.Clear();
  return {};
}

}  // namespace rendercar::gpu
