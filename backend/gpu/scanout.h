// One head: which part of which surface it shows, and what of that its viewer has not seen yet.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "backend/gpu/surface.h"

namespace rendercar::gpu {

// Tiles, and a rectangle that holds every pixel of them that matters: a small change between tiles
// is sent as what it is.
struct Damage {
  TileMap tiles;
  Rect bounds;

  bool empty() const { return tiles.empty(); }
  void Clear() {
    tiles.Clear();
    bounds = {};
  }
  // Takes all of `other`, of the same picture size.
  void Take(Damage& other) {
    tiles.Merge(other.tiles);
    bounds = Unite(bounds, other.bounds);
    other.Clear();
  }
};

class Scanout {
 public:
  ~Scanout() { Disable(); }

  bool enabled() const { return surface_ != nullptr; }
  const std::shared_ptr<Surface>& surface() const { return surface_; }
  const Rect& rect() const { return rect_; }

  // Shows `rect` of `surface`: what differs from the picture before becomes damage.
  void Show(std::shared_ptr<Surface> surface, const Rect& rect);
  void Disable();

  // The surface's changed tiles, all within `rect`, become stale here.
  void NoteChanges(const TileMap& changed, const Rect& rect);
  // RESOURCE_FLUSH: what is stale in `rect` (of the surface) becomes damage; true when there was
  // damage already.
  bool Flush(const Rect& rect);
  // A viewer that has seen nothing.
  void DamageAll();

  // Whether the next frame has something to show.
  bool damaged() const { return !damage_.empty(); }
  // What is damaged now is to be sent; what comes later is the next frame's.
  void BeginFrame() { sending_.Take(damage_); }
  bool sending() const { return !sending_.empty(); }
  // Takes a part of the frame out, `max_tiles` at most, within rect(), in the surface's pixels.
  Rect TakePart(uint32_t max_tiles);
  void PutBack(const Rect& part) { sending_.tiles.SetRect(part); }

 private:
  void DropWhatIsBeingSent();

  std::shared_ptr<Surface> surface_;
  Rect rect_;
  Damage stale_;    // differs from what was sent, not flushed yet
  Damage damage_;   // flushed, for the next frame
  Damage sending_;  // of the frame that is being sent
};

}  // namespace rendercar::gpu
