// Copies pixels into a surface and notices which tiles become different.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/tile_copy.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace rendercar::gpu {
namespace {

constexpr size_t kTileRowBytes = size_t{kTileWidth} * kBytesPerPixel;

// One stretch of memory, with the interface of Backing::Walker.
class MemoryWalker {
 public:
  explicit MemoryWalker(std::span<const std::byte> source) : source_(source) {}
  std::span<const std::byte> At(uint64_t offset, size_t max) const {
    if (offset >= source_.size()) return {};
    return source_.subspan(offset, std::min<size_t>(max, source_.size() - offset));
  }
  void PrefetchNext() const {}

 private:
  std::span<const std::byte> source_;
};

// The rows of one row of tiles: compares until a tile is known to differ, then only copies.
class TileRowWriter {
 public:
  TileRowWriter(Surface& surface, uint32_t tile_row, PixelOrder order)
      : surface_(surface), tile_row_(tile_row), order_(order), diff_(surface.viewers > 0) {}

  // Bytes [at, at + in.size()) of the surface's row `y`, at whole pixels where they are converted.
  void Write(uint32_t y, size_t at, std::span<const std::byte> in) {
    std::byte* out = surface_.pixel(0, y) + at;
    if (!diff_) return ConvertToBgra(order_, in.data(), out, in.size() / kBytesPerPixel);
    while (!in.empty()) {
      const size_t done = WriteSome(at, in, out);
      at += done;
      out += done;
      in = in.subspan(done);
    }
  }

  bool converts() const { return order_ != PixelOrder::kBgra; }
  // Whether nothing is left to compare in the whole row of tiles.
  bool OnlyCopies() const {
    if (!diff_) return true;
    for (uint32_t column = 0; column * kTileWidth < surface_.width(); ++column) {
      if (!Known(column)) return false;
    }
    return true;
  }

 private:
  bool Known(uint32_t column) const { return surface_.changed().Test(column, tile_row_); }

  size_t WriteSome(size_t at, std::span<const std::byte> in, std::byte* out) {
    const auto column = static_cast<uint32_t>(at / kTileRowBytes);
    size_t size = std::min(in.size(), (column + 1) * kTileRowBytes - at);
    if (Known(column)) {
      // One copy for all the neighbours that are known too.
      for (uint32_t next = column + 1; size < in.size() && Known(next); ++next)
        size = std::min(in.size(), size + kTileRowBytes);
      ConvertToBgra(order_, in.data(), out, size / kBytesPerPixel);
      return size;
    }
    std::array<std::byte, kTileRowBytes> converted;
    const std::byte* source = in.data();
    if (converts()) {
      ConvertToBgra(order_, source, converted.data(), size / kBytesPerPixel);
      source = converted.data();
    }
    if (std::memcmp(source, out, size) != 0) {
      std::memcpy(out, source, size);
      surface_.changed().Set(column, tile_row_);
    }
    return size;
  }

  Surface& surface_;
  const uint32_t tile_row_;
  const PixelOrder order_;
  const bool diff_;
};

// A pixel that two stretches share, for conversions: put together byte by byte.
template <typename Walker>
bool ReadPixel(Walker& walker, uint64_t offset, std::array<std::byte, kBytesPerPixel>& pixel) {
  for (size_t i = 0; i < pixel.size(); ++i) {
    const auto one = walker.At(offset + i, 1);
    if (one.empty()) return false;
    pixel[i] = one[0];
  }
  return true;
}

template <typename Walker>
bool CopyRow(Walker& walker, uint64_t offset, uint32_t y, const Rect& rect, TileRowWriter& writer) {
  size_t at = size_t{rect.x} * kBytesPerPixel;
  size_t left = size_t{rect.width} * kBytesPerPixel;
  while (left > 0) {
    auto piece = walker.At(offset, left);
    std::array<std::byte, kBytesPerPixel> pixel;
    if (piece.size() < kBytesPerPixel) {
      if (!ReadPixel(walker, offset, pixel)) return false;
      piece = pixel;
    }
    walker.PrefetchNext();
    piece = piece.first(piece.size() / kBytesPerPixel * kBytesPerPixel);
    writer.Write(y, at, piece);
    at += piece.size();
    offset += piece.size();
    left -= piece.size();
  }
  return true;
}

// Bytes that lie in a row on both sides.
template <typename Walker>
bool CopyRun(Walker& walker, uint64_t offset, std::byte* out, size_t left) {
  while (left > 0) {
    const auto piece = walker.At(offset, left);
    if (piece.empty()) return false;
    walker.PrefetchNext();
    std::memcpy(out, piece.data(), piece.size());
    offset += piece.size();
    out += piece.size();
    left -= piece.size();
  }
  return true;
}

template <typename Walker>
CopyResult Copy(Walker walker, uint64_t offset, uint64_t stride_bytes, PixelOrder order,
                const Rect& rect, Surface& surface) {
  // Whole rows without conversion are one run: as soon as there is nothing to compare, they are
  // copied page by page instead of row by row.
  const bool is_run = order == PixelOrder::kBgra && rect.width == surface.width() &&
                      stride_bytes == surface.stride_bytes();
  uint32_t y = rect.y;
  while (y < rect.y + rect.height) {
    const uint32_t tile_row = y / kTileHeight;
    const uint32_t end = surface.viewers == 0
                             ? rect.y + rect.height
                             : std::min(rect.y + rect.height, (tile_row + 1) * kTileHeight);
    TileRowWriter writer(surface, tile_row, order);
    // One row is compared; where all of it is new, so is what follows.
    const uint32_t first = y;
    while (y < end) {
      const bool rest_is_run = is_run && y <= first + 1 && writer.OnlyCopies();
      const uint32_t rows = rest_is_run ? end - y : 1;
      if (!(rest_is_run ? CopyRun(walker, offset, surface.pixel(0, y), rows * stride_bytes)
                        : CopyRow(walker, offset, y, rect, writer))) {
        return CopyResult::kSourceEnds;
      }
      y += rows;
      offset += rows * stride_bytes;
    }
  }
  return CopyResult::kDone;
}

bool TileDiffers(const Surface& a, const Surface& b, const Rect& tile) {
  for (uint32_t y = tile.y; y < tile.y + tile.height; ++y) {
    if (std::memcmp(a.pixel(tile.x, y), b.pixel(tile.x, y), size_t{tile.width} * kBytesPerPixel) !=
        0)
      return true;
  }
  return false;
}

}  // namespace

CopyResult CopyFromBacking(const Backing& backing, uint64_t offset, uint64_t stride_bytes,
                           PixelOrder order, const Rect& rect, Surface& surface) {
  return Copy(Backing::Walker(backing), offset, stride_bytes, order, rect, surface);
}

CopyResult CopyFromMemory(std::span<const std::byte> source, uint64_t stride_bytes,
                          PixelOrder order, const Rect& rect, Surface& surface) {
  return Copy(MemoryWalker(source), 0, stride_bytes, order, rect, surface);
}

void CompareSurfaces(const Surface& a, const Surface& b, const Rect& rect, TileMap& differing) {
  for (uint32_t y = rect.y / kTileHeight; y * kTileHeight < rect.y + rect.height; ++y) {
    for (uint32_t x = rect.x / kTileWidth; x * kTileWidth < rect.x + rect.width; ++x) {
      const Rect tile = Intersect({x * kTileWidth, y * kTileHeight, kTileWidth, kTileHeight},
                                  {0, 0, a.width(), a.height()});
      if (!differing.Test(x, y) && TileDiffers(a, b, tile)) differing.Set(x, y);
    }
  }
}

}  // namespace rendercar::gpu
