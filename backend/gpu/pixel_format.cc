// Pixel formats.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/pixel_format.h"

#include <bit>
#include <cstring>

#include "backend/wire/virtio_gpu.h"

namespace rendercar::gpu {
namespace {

template <typename Swizzle>
void Convert(const std::byte* in, std::byte* out, size_t pixels, Swizzle swizzle) {
  for (size_t i = 0; i < pixels; ++i) {
    uint32_t pixel;
    std::memcpy(&pixel, in + i * kBytesPerPixel, sizeof(pixel));
    pixel = swizzle(pixel);
    std::memcpy(out + i * kBytesPerPixel, &pixel, sizeof(pixel));
  }
}

}  // namespace

std::optional<PixelFormat> FindFormat(uint32_t format) {
  switch (format) {
    case VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM:
      return PixelFormat{PixelOrder::kBgra, true};
    case VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM:
      return PixelFormat{PixelOrder::kBgra, false};
    case VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM:
      return PixelFormat{PixelOrder::kArgb, true};
    case VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM:
      return PixelFormat{PixelOrder::kArgb, false};
    case VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM:
      return PixelFormat{PixelOrder::kRgba, true};
    case VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM:
      return PixelFormat{PixelOrder::kRgba, false};
    case VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM:
      return PixelFormat{PixelOrder::kAbgr, true};
    case VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM:
      return PixelFormat{PixelOrder::kAbgr, false};
    default:  // a guest's number
      return std::nullopt;
  }
}

std::optional<PixelFormat> FindFormat3d(uint32_t format) {
  switch (format) {
    case 98:  // VIRGL_FORMAT_A8B8G8R8_SRGB
      return PixelFormat{PixelOrder::kAbgr, true};
    case 99:  // VIRGL_FORMAT_X8B8G8R8_SRGB
      return PixelFormat{PixelOrder::kAbgr, false};
    case 100:  // VIRGL_FORMAT_B8G8R8A8_SRGB
      return PixelFormat{PixelOrder::kBgra, true};
    case 101:  // VIRGL_FORMAT_B8G8R8X8_SRGB
      return PixelFormat{PixelOrder::kBgra, false};
    case 102:  // VIRGL_FORMAT_A8R8G8B8_SRGB
      return PixelFormat{PixelOrder::kArgb, true};
    case 103:  // VIRGL_FORMAT_X8R8G8B8_SRGB
      return PixelFormat{PixelOrder::kArgb, false};
    case 104:  // VIRGL_FORMAT_R8G8B8A8_SRGB
      return PixelFormat{PixelOrder::kRgba, true};
    default:
      return FindFormat(format);
  }
}

void ConvertToBgra(PixelOrder order, const std::byte* in, std::byte* out, size_t pixels) {
  switch (order) {
    case PixelOrder::kBgra:
      std::memcpy(out, in, pixels * kBytesPerPixel);
      return;
    case PixelOrder::kArgb:
      return Convert(in, out, pixels, [](uint32_t p) { return __builtin_bswap32(p); });
    case PixelOrder::kRgba:
      return Convert(in, out, pixels, [](uint32_t p) {
        return (p & 0xff00ff00u) | (p >> 16 & 0xffu) | (p & 0xffu) << 16;
      });
    case PixelOrder::kAbgr:
      return Convert(in, out, pixels, [](uint32_t p) { return std::rotr(p, 8); });
  }
}

}  // namespace rendercar::gpu
