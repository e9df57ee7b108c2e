// What a head shows of a blob: memory that SET_SCANOUT_BLOB says how to read.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "backend/gpu/surface.h"

namespace rendercar::gpu {

// One for each head; unused while the head shows no blob.
struct BlobView {
  uint32_t resource_id = 0;  // 0: unused
  Rect rect;                 // of the framebuffer that the blob holds
  uint64_t offset = 0;       // of the framebuffer's first pixel in the blob
  uint32_t stride_bytes = 0;
  PixelOrder order = PixelOrder::kBgra;
  // What the head shows, of rect's size: the guest's memory changes when it likes.
  std::shared_ptr<Surface> surface;
  bool all_stale = false;  // the next flush shows all of it, whatever it names

  uint64_t OffsetOf(uint32_t x, uint32_t y) const {
    return offset + uint64_t{stride_bytes} * y + uint64_t{x} * kBytesPerPixel;
  }
};

}  // namespace rendercar::gpu
