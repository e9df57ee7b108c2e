// The pixel formats of the specification, and how each becomes what the display socket takes:
// 32 bits a pixel, in memory blue, green, red, alpha.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace rendercar::gpu {

// The order of a pixel's bytes in memory.
enum class PixelOrder : uint8_t { kBgra, kArgb, kRgba, kAbgr };

struct PixelFormat {
  PixelOrder order = PixelOrder::kBgra;
  bool has_alpha = false;
};

inline constexpr uint32_t kBytesPerPixel = 4;

// Of enum virtio_gpu_formats; nullopt for what the specification does not list.
std::optional<PixelFormat> FindFormat(uint32_t format);
// The same, with the sRGB variants that a 3D resource may have (VIRGL_FORMAT_*_SRGB).
std::optional<PixelFormat> FindFormat3d(uint32_t format);

// Converts `pixels` pixels; `in` and `out` may be unaligned but not overlap.
void ConvertToBgra(PixelOrder order, const std::byte* in, std::byte* out, size_t pixels);

}  // namespace rendercar::gpu
