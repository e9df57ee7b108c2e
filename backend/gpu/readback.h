// Brings what GL drew to a scanout: at most one read in flight, what comes meanwhile is merged.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "backend/gpu/renderer.h"
#include "backend/gpu/surface.h"

namespace rendercar::gpu {

// One for each head; unused while the head shows a 2D resource.
struct Readback {
  uint32_t resource_id = 0;  // 0: unused
  Rect rect;                 // of the resource
  PixelOrder order = PixelOrder::kBgra;
  std::unique_ptr<SharedPixels> pixels;  // rect.width x rect.height
  // What the head shows: private, so that the renderer cannot change it while it is sent. Kept when
  // the renderer dies and over page flips.
  std::shared_ptr<Surface> surface;
  // Whether the head is to show the resource's own memory, which has been asked for.
  bool awaits_export = false;
  uint64_t token = 0;  // of the read in flight; 0: none
  Rect reading;        // in the head's own pixels
  Rect wanted;

  size_t stride_bytes() const { return size_t{rect.width} * kBytesPerPixel; }
  size_t OffsetOf(const Rect& part) const {
    return part.y * stride_bytes() + size_t{part.x} * kBytesPerPixel;
  }
};

// A cursor image that is being read from GL; a newer one replaces it.
struct CursorReadback {
  uint64_t token = 0;
  std::unique_ptr<SharedPixels> pixels;
  PixelFormat format;
  virtio_gpu_update_cursor update{};
};

}  // namespace rendercar::gpu
