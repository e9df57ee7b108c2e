// One head.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/scanout.h"

#include "backend/gpu/tile_copy.h"

namespace rendercar::gpu {

void Scanout::Show(std::shared_ptr<Surface> surface, const Rect& rect) {
  const bool same_place = surface_ != nullptr && rect == rect_ &&
                          surface->width() == surface_->width() &&
                          surface->height() == surface_->height();
  if (same_place && surface == surface_) return;
  if (same_place) {
    // A page flip: only what the two pictures do not share has to be sent.
    TileMap damage = std::move(damage_);
    damage.Merge(stale_);
    CompareSurfaces(*surface_, *surface, rect, damage);
    damage_ = std::move(damage);
  } else {
    damage_ = TileMap(surface->width(), surface->height());
    damage_.SetRect(rect);
  }
  stale_ = TileMap(surface->width(), surface->height());
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
  stale_ = TileMap();
  damage_ = TileMap();
}

bool Scanout::Flush(const Rect& rect) {
  const bool had_damage = damaged();
  damage_.TakeRect(stale_, Intersect(rect, rect_));
  return had_damage;
}

void Scanout::DamageAll() {
  if (!enabled()) return;
  damage_.SetRect(rect_);
  stale_.Clear();
}

Rect Scanout::TakeDamage(uint32_t max_tiles) {
  while (damaged()) {
    const Rect part = Intersect(damage_.TakeNext(max_tiles), rect_);
    if (!part.empty()) return part;
  }
  return {};
}

}  // namespace rendercar::gpu
