// Copies pixels into a surface and notices which tiles become different.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "backend/gpu/backing.h"
#include "backend/gpu/surface.h"

namespace rendercar::gpu {

enum class CopyResult { kDone, kSourceEnds };

// From a backing whose row `y` of the rectangle starts at offset + y * stride_bytes. `rect` lies
// within the surface; guest bytes may change meanwhile. kSourceEnds: the backing ends within the
// rectangle or its memory is lost; part of the rectangle may have been copied.
CopyResult CopyFromBacking(const Backing& backing, uint64_t offset, uint64_t stride_bytes,
                           PixelOrder order, const Rect& rect, Surface& surface);

// From memory: the same with `source` as the one stretch of bytes.
CopyResult CopyFromMemory(std::span<const std::byte> source, uint64_t stride_bytes,
                          PixelOrder order, const Rect& rect, Surface& surface);

// Which tiles that `rect` touches differ between two surfaces of the same size: added to
// `differing`.
void CompareSurfaces(const Surface& a, const Surface& b, const Rect& rect, TileMap& differing);

}  // namespace rendercar::gpu
