// How a device process is asked for what a head shows: one request and one answer on a unix stream
// socket that only its own uid and root may use.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace rendercar::screenshot {

// "RCSS" in memory order on a little-endian machine; both sides run on the same one.
inline constexpr uint32_t kMagic = 0x53534352;
inline constexpr uint32_t kMaxSide = 16384;
inline constexpr uint64_t kMaxBytes = uint64_t{256} << 20;  // of one picture
inline constexpr uint32_t kBytesPerPixel = 4;               // blue, green, red, unused

struct Request {
  uint32_t magic = kMagic;
  uint32_t head = 0;  // from 0
};
static_assert(sizeof(Request) == 8);

enum class Outcome : uint32_t {
  kPicture = 0,
  kNoVm = 1,     // no frontend is connected
  kNothing = 2,  // the head is off, or there is none of that number
  kNoMemory = 3,
  kNoPixels = 4,  // shown from GPU memory: the device process has no pixels of it
};

// With kPicture one descriptor comes beside it: a sealed memfd of width * height pixels, rows
// without gaps, the top one first.
struct Answer {
  uint32_t magic = kMagic;
  Outcome outcome = Outcome::kNothing;
  uint32_t width = 0;
  uint32_t height = 0;
};
static_assert(sizeof(Answer) == 16);

}  // namespace rendercar::screenshot
