// An EDID of our own, for frontends that cannot give one.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace rendercar::gpu {

inline constexpr size_t kEdidBytes = 128;

// VESA E-EDID 1.4, base block: a display whose preferred mode is `width` x `height` at 60 Hz
// (reduced blanking) and whose serial number tells scanouts apart. Sizes that a detailed timing
// cannot hold become the nearest that it can.
std::array<uint8_t, kEdidBytes> MakeEdid(uint32_t scanout_id, uint32_t width, uint32_t height);

}  // namespace rendercar::gpu
