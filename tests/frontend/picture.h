// A rectangle of x8r8g8b8 pixels, as a display shows it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace rendercar::frontend {

struct Picture {
  uint32_t width = 0, height = 0;
  std::vector<uint32_t> pixels;  // row by row; the highest byte means nothing

  Picture() = default;
  Picture(uint32_t w, uint32_t h, uint32_t fill = 0)
      : width(w), height(h), pixels(size_t{w} * h, fill) {}
  uint32_t At(uint32_t x, uint32_t y) const { return pixels[size_t{y} * width + x] & 0xffffff; }
  uint32_t* Row(uint32_t y) { return pixels.data() + size_t{y} * width; }
  bool empty() const { return pixels.empty(); }
};

// How many pixels differ in colour; every pixel of the larger when the sizes differ.
inline size_t CountDifferent(const Picture& a, const Picture& b) {
  if (a.width != b.width || a.height != b.height) {
    return a.pixels.size() > b.pixels.size() ? a.pixels.size() : b.pixels.size();
  }
  size_t different = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) {
    if (((a.pixels[i] ^ b.pixels[i]) & 0xffffff) != 0) ++different;
  }
  return different;
}

}  // namespace rendercar::frontend
