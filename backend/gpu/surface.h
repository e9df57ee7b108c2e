// The host's copy of a picture: pixels as the display socket takes them, and which tiles of them
// changed.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "backend/gpu/pixel_format.h"
#include "backend/gpu/tile_map.h"
#include "common/status.h"

namespace rendercar::gpu {

// Black at first; pages that nobody wrote cost nothing.
class Surface {
 public:
  // ResourceExhausted when the host has no memory. Both sizes are above zero and bounded by the
  // caller.
  static absl::StatusOr<std::shared_ptr<Surface>> Create(uint32_t width, uint32_t height);
  ~Surface();
  Surface(const Surface&) = delete;
  Surface& operator=(const Surface&) = delete;

  uint32_t width() const { return width_; }
  uint32_t height() const { return height_; }
  size_t stride_bytes() const { return size_t{width_} * kBytesPerPixel; }
  std::byte* pixel(uint32_t x, uint32_t y) {
    return pixels_ + y * stride_bytes() + size_t{x} * kBytesPerPixel;
  }
  const std::byte* pixel(uint32_t x, uint32_t y) const {
    return pixels_ + y * stride_bytes() + size_t{x} * kBytesPerPixel;
  }

  // Scanouts that show it. While there are some, whoever writes pixels notes in changed() which
  // tiles became different.
  uint32_t viewers = 0;
  TileMap& changed() { return changed_; }

 private:
  Surface(uint32_t width, uint32_t height, std::byte* pixels)
      : width_(width), height_(height), pixels_(pixels), changed_(width, height) {}

  const uint32_t width_, height_;
  std::byte* const pixels_;
  TileMap changed_;
};

}  // namespace rendercar::gpu
