// The formats of pixels that a head can show, and pictures in them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <vector>

#include "tests/frontend/gpu_commands.h"
#include "tests/frontend/picture.h"

namespace rendercar::frontend {

struct PixelFormat {
  const char* name;
  uint32_t format;                 // of virtio-gpu, or of virgl
  std::array<uint32_t, 3> rgb_at;  // which bytes of a pixel have red, green and blue

  // The fourth byte is 0xff.
  std::vector<std::byte> Encode(const Picture& picture) const {
    std::vector<std::byte> bytes(picture.pixels.size() * 4, std::byte{0xff});
    for (size_t i = 0; i < picture.pixels.size(); ++i) {
      for (uint32_t channel = 0; channel < 3; ++channel) {
        bytes[i * 4 + rgb_at[channel]] =
            static_cast<std::byte>(picture.pixels[i] >> (16 - 8 * channel) & 0xff);
      }
    }
    return bytes;
  }
  friend void PrintTo(const PixelFormat& shown, std::ostream* out) { *out << shown.name; }
};

// All that virtio 1.2 lists.
inline constexpr PixelFormat kVirtioFormats[] = {
    {"B8G8R8A8", VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, {2, 1, 0}},
    {"B8G8R8X8", VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, {2, 1, 0}},
    {"A8R8G8B8", VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM, {1, 2, 3}},
    {"X8R8G8B8", VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM, {1, 2, 3}},
    {"R8G8B8A8", VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM, {0, 1, 2}},
    {"X8B8G8R8", VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM, {3, 2, 1}},
    {"A8B8G8R8", VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM, {3, 2, 1}},
    {"R8G8B8X8", VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM, {0, 1, 2}}};

}  // namespace rendercar::frontend
