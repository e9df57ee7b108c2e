// A set of tiles of a picture, one bit each: what changed, what is to be sent.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backend/gpu/rect.h"

namespace rendercar::gpu {

// 64 pixels are 256 bytes, so that a tile's row seldom crosses a page; 16 rows keep a tile at 4
// KiB.
inline constexpr uint32_t kTileWidth = 64;
inline constexpr uint32_t kTileHeight = 16;

class TileMap {
 public:
  TileMap() = default;
  // Of a picture of so many pixels; no tile is set.
  TileMap(uint32_t width, uint32_t height);

  bool empty() const { return first_row_ >= end_row_; }
  bool Test(uint32_t column, uint32_t row) const {
    return (Row(row)[column / 64] >> (column % 64) & 1) != 0;
  }
  void Set(uint32_t column, uint32_t row) {
    Row(row)[column / 64] |= uint64_t{1} << (column % 64);
    Touch(row, row + 1);
  }
  // Every tile that `rect` (pixels, within the picture) touches.
  void SetRect(const Rect& rect);
  // Adds what `other`, of the same picture size, has.
  void Merge(const TileMap& other);
  // Removes what `other`, of the same picture size, has.
  void Subtract(const TileMap& other);
  // Moves what `from` has in the tiles that `rect` touches to here.
  void TakeRect(TileMap& from, const Rect& rect);
  void Clear();

  // Takes out one rectangle of set tiles, at most `max_tiles` of them: a run in the first row that
  // has any, prolonged downwards while the rows below have the same run. In pixels, but not clipped
  // to the picture. Empty when no tile is set.
  Rect TakeNext(uint32_t max_tiles);

 private:
  uint64_t* Row(uint32_t row) { return bits_.data() + size_t{row} * words_; }
  const uint64_t* Row(uint32_t row) const { return bits_.data() + size_t{row} * words_; }
  void Touch(uint32_t first, uint32_t end) {
    if (first < first_row_) first_row_ = first;
    if (end > end_row_) end_row_ = end;
  }
  bool HasAny(uint32_t row) const;
  bool HasRun(uint32_t row, uint32_t column, uint32_t columns) const;
  void ClearRun(uint32_t row, uint32_t column, uint32_t columns);

  uint32_t columns_ = 0, rows_ = 0, words_ = 0;
  uint32_t first_row_ = UINT32_MAX, end_row_ = 0;  // no bit is set outside these rows
  std::vector<uint64_t> bits_;
};

}  // namespace rendercar::gpu
