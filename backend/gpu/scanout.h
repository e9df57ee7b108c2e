// One head: which part of which surface it shows, and what of that its viewer has not seen yet.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "backend/gpu/surface.h"
#include "backend/wire/virtio_gpu.h"

namespace rendercar::gpu {

class Scanout {
 public:
  ~Scanout() { Disable(); }

  bool enabled() const { return surface_ != nullptr; }
  const std::shared_ptr<Surface>& surface() const { return surface_; }
  const Rect& rect() const { return rect_; }

  // Shows `rect` of `surface`: what differs from the picture before becomes damage.
  void Show(std::shared_ptr<Surface> surface, const Rect& rect);
  void Disable();

  // The surface's changed tiles become stale here.
  void NoteChanges(const TileMap& changed) { stale_.Merge(changed); }
  // RESOURCE_FLUSH: what is stale in `rect` (of the surface) becomes damage; true when there was
  // damage already.
  bool Flush(const Rect& rect);
  // A viewer that has seen nothing.
  void DamageAll();

  bool damaged() const { return !damage_.empty(); }
  // Takes a part of the damage out, `max_tiles` at most, within rect(), in the surface's pixels.
  Rect TakeDamage(uint32_t max_tiles);
  void PutBack(const Rect& part) { damage_.SetRect(part); }

 private:
  std::shared_ptr<Surface> surface_;
  Rect rect_;
  TileMap stale_;   // differs from what was sent, not flushed yet
  TileMap damage_;  // to be sent
};

}  // namespace rendercar::gpu
