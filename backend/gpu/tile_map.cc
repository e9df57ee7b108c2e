// A set of tiles.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/tile_map.h"

#include <algorithm>
#include <bit>

namespace rendercar::gpu {
namespace {

// The bits of word `word` that columns [first, end) have.
uint64_t Mask(uint32_t word, uint32_t first, uint32_t end) {
  const uint32_t low = word * 64, high = low + 64;
  const uint32_t from = std::max(first, low), to = std::min(end, high);
  if (from >= to) return 0;
  const uint64_t ones = to - from == 64 ? ~uint64_t{0} : (uint64_t{1} << (to - from)) - 1;
  return ones << (from - low);
}

uint32_t Tiles(uint32_t pixels, uint32_t tile) { return (pixels + tile - 1) / tile; }

}  // namespace

TileMap::TileMap(uint32_t width, uint32_t height)
    : columns_(Tiles(width, kTileWidth)),
      rows_(Tiles(height, kTileHeight)),
      words_((columns_ + 63) / 64),
      bits_(size_t{words_} * rows_) {}

void TileMap::SetRect(const Rect& rect) {
  if (rect.empty()) return;
  const uint32_t first = rect.x / kTileWidth, end = Tiles(rect.x + rect.width, kTileWidth);
  const uint32_t top = rect.y / kTileHeight, bottom = Tiles(rect.y + rect.height, kTileHeight);
  for (uint32_t row = top; row < bottom; ++row) {
    for (uint32_t word = first / 64; word <= (end - 1) / 64; ++word)
      Row(row)[word] |= Mask(word, first, end);
  }
  Touch(top, bottom);
}

void TileMap::Merge(const TileMap& other) {
  if (other.empty()) return;
  const size_t first = size_t{other.first_row_} * words_, end = size_t{other.end_row_} * words_;
  for (size_t i = first; i < end; ++i) bits_[i] |= other.bits_[i];
  Touch(other.first_row_, other.end_row_);
}

void TileMap::Subtract(const TileMap& other) {
  for (uint32_t row = first_row_; row < end_row_; ++row) {
    for (uint32_t word = 0; word < words_; ++word) Row(row)[word] &= ~other.Row(row)[word];
  }
  while (first_row_ < end_row_ && !HasAny(first_row_)) ++first_row_;
  if (first_row_ >= end_row_) {
    first_row_ = UINT32_MAX;
    end_row_ = 0;
  }
}

bool TileMap::HasAny(uint32_t row) const {
  return std::any_of(Row(row), Row(row) + words_, [](uint64_t word) { return word != 0; });
}

void TileMap::TakeRect(TileMap& from, const Rect& rect) {
  if (rect.empty() || from.empty()) return;
  const uint32_t first = rect.x / kTileWidth, end = Tiles(rect.x + rect.width, kTileWidth);
  const uint32_t top = std::max(rect.y / kTileHeight, from.first_row_);
  const uint32_t bottom = std::min(Tiles(rect.y + rect.height, kTileHeight), from.end_row_);
  for (uint32_t row = top; row < bottom; ++row) {
    for (uint32_t word = first / 64; word <= (end - 1) / 64; ++word) {
      const uint64_t taken = from.Row(row)[word] & Mask(word, first, end);
      if (taken == 0) continue;
      from.Row(row)[word] &= ~taken;
      Row(row)[word] |= taken;
      Touch(row, row + 1);
    }
  }
  // Rows that are now empty at the edges need no later look; common case: all were taken.
  if (top == from.first_row_ && bottom == from.end_row_ && first == 0 && end >= columns_)
    from.first_row_ = UINT32_MAX, from.end_row_ = 0;
}

void TileMap::Clear() {
  if (empty()) return;
  std::fill(Row(first_row_), Row(end_row_ - 1) + words_, 0);
  first_row_ = UINT32_MAX;
  end_row_ = 0;
}

bool TileMap::HasRun(uint32_t row, uint32_t column, uint32_t columns) const {
  for (uint32_t word = column / 64; word <= (column + columns - 1) / 64; ++word) {
    const uint64_t mask = Mask(word, column, column + columns);
    if ((Row(row)[word] & mask) != mask) return false;
  }
  return true;
}

void TileMap::ClearRun(uint32_t row, uint32_t column, uint32_t columns) {
  for (uint32_t word = column / 64; word <= (column + columns - 1) / 64; ++word)
    Row(row)[word] &= ~Mask(word, column, column + columns);
}

Rect TileMap::TakeNext(uint32_t max_tiles) {
  for (; first_row_ < end_row_; ++first_row_) {
    for (uint32_t word = 0; word < words_; ++word) {
      const uint64_t bits = Row(first_row_)[word];
      if (bits == 0) continue;
      const uint32_t column = word * 64 + static_cast<uint32_t>(std::countr_zero(bits));
      uint32_t columns = 1, rows = 0;
      while (columns < max_tiles && column + columns < columns_ &&
             Test(column + columns, first_row_))
        ++columns;
      const uint32_t top = first_row_;
      do {
        ClearRun(top + rows, column, columns);
        ++rows;
      } while ((rows + 1) * columns <= max_tiles && top + rows < end_row_ &&
               HasRun(top + rows, column, columns));
      return {column * kTileWidth, top * kTileHeight, columns * kTileWidth, rows * kTileHeight};
    }
  }
  first_row_ = UINT32_MAX;
  end_row_ = 0;
  return {};
}

}  // namespace rendercar::gpu
