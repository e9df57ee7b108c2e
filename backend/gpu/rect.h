// Rectangles of pixels and what can be asked of them without overflow.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

#include "backend/wire/virtio_gpu.h"

namespace rendercar::gpu {

struct Rect {
  uint32_t x = 0, y = 0, width = 0, height = 0;

  bool empty() const { return width == 0 || height == 0; }
  bool operator==(const Rect&) const = default;
};

inline Rect ToRect(const virtio_gpu_rect& wire) {
  return {wire.x, wire.y, wire.width, wire.height};
}

// Whether a rectangle from a guest lies within `width` x `height`.
inline bool Fits(const Rect& rect, uint32_t width, uint32_t height) {
  return rect.x <= width && rect.width <= width - rect.x && rect.y <= height &&
         rect.height <= height - rect.y;
}

// What both cover; of rectangles whose ends fit into 32 bits.
inline Rect Intersect(const Rect& a, const Rect& b) {
  const uint32_t x = std::max(a.x, b.x), y = std::max(a.y, b.y);
  const uint32_t right = std::min(a.x + a.width, b.x + b.width);
  const uint32_t bottom = std::min(a.y + a.height, b.y + b.height);
  if (right <= x || bottom <= y) return {};
  return {x, y, right - x, bottom - y};
}

// The smallest rectangle around both.
inline Rect Unite(const Rect& a, const Rect& b) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  const uint32_t x = std::min(a.x, b.x), y = std::min(a.y, b.y);
  const uint32_t right = std::max(a.x + a.width, b.x + b.width);
  const uint32_t bottom = std::max(a.y + a.height, b.y + b.height);
  return {x, y, right - x, bottom - y};
}

}  // namespace rendercar::gpu
