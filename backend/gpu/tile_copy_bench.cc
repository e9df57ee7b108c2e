// Copying from guest pages and noticing what changed, beside a plain memcpy.
// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>

#include "backend/gpu/device_fixture.h"
#include "backend/gpu/tile_copy.h"

namespace rendercar::gpu {
namespace {

constexpr uint32_t kPage = 4096;

enum class Layout { kContiguous, kScattered };

// A backing of `bytes` in guest memory that all pages of were written.
Backing MakeBacking(const guest::GuestMemory& memory, uint64_t bytes, Layout layout) {
  if (layout == Layout::kContiguous)
    return Backing({{kGuestBase, static_cast<uint32_t>(bytes)}}, &memory);
  std::vector<uint32_t> pages(bytes / kPage + 1);
  std::iota(pages.begin(), pages.end(), 0u);
  std::shuffle(pages.begin(), pages.end(), std::mt19937(1));
  std::vector<GuestRange> ranges;
  for (const uint32_t page : pages) ranges.push_back({kGuestBase + uint64_t{page} * kPage, kPage});
  return Backing(std::move(ranges), &memory);
}

struct Picture {
  Picture(uint32_t w, uint32_t h, Layout layout)
      : width(w),
        height(h),
        memory(MakeGuestMemory()),
        backing(MakeBacking(*memory, bytes(), layout)),
        surface(*Surface::Create(w, h)) {
    Fill(1);
    surface->viewers = 1;
  }
  uint64_t bytes() const { return uint64_t{width} * height * kBytesPerPixel; }
  void Fill(int value) { std::memset(memory->regions()[0].bytes().data(), value, bytes() + kPage); }

  uint32_t width, height;
  std::shared_ptr<const guest::GuestMemory> memory;
  Backing backing;
  std::shared_ptr<Surface> surface;
};

void Memcpy(benchmark::State& state) {
  Picture picture(1920, 1080, Layout::kContiguous);
  for (auto _ : state) {
    std::memcpy(picture.surface->pixel(0, 0), picture.memory->regions()[0].bytes().data(),
                picture.bytes());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(picture.bytes()));
}
BENCHMARK(Memcpy)->Unit(benchmark::kMicrosecond);

// state.range(0): scattered pages; (1): every frame differs.
void Transfer(benchmark::State& state) {
  Picture picture(1920, 1080, state.range(0) != 0 ? Layout::kScattered : Layout::kContiguous);
  const bool changes = state.range(1) != 0;
  int value = 1;
  for (auto _ : state) {
    if (changes) {
      state.PauseTiming();
      picture.Fill(++value);
      state.ResumeTiming();
    }
    CopyFromBacking(picture.backing, 0, picture.surface->stride_bytes(), PixelOrder::kBgra,
                    {0, 0, picture.width, picture.height}, *picture.surface);
    picture.surface->changed().Clear();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(picture.bytes()));
}
BENCHMARK(Transfer)->ArgsProduct({{0, 1}, {0, 1}})->Unit(benchmark::kMicrosecond);

// Pixels that must be converted; always different.
void TransferConverted(benchmark::State& state) {
  Picture picture(1920, 1080, Layout::kScattered);
  picture.surface->viewers = 0;
  for (auto _ : state) {
    CopyFromBacking(picture.backing, 0, picture.surface->stride_bytes(),
                    static_cast<PixelOrder>(state.range(0)), {0, 0, picture.width, picture.height},
                    *picture.surface);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(picture.bytes()));
}
BENCHMARK(TransferConverted)->DenseRange(0, 3)->Unit(benchmark::kMicrosecond);

// 64x64 at the bottom right of 3840x2160.
void SmallTransferIn4k(benchmark::State& state) {
  Picture picture(3840, 2160, Layout::kScattered);
  const Rect rect{3840 - 64, 2160 - 64, 64, 64};
  const uint64_t stride = picture.surface->stride_bytes();
  for (auto _ : state) {
    CopyFromBacking(picture.backing, rect.y * stride + rect.x * uint64_t{4}, stride,
                    PixelOrder::kBgra, rect, *picture.surface);
    picture.surface->changed().Clear();
  }
}
BENCHMARK(SmallTransferIn4k);

void AttachScattered(benchmark::State& state) {
  Picture picture(1920, 1080, Layout::kScattered);
  for (auto _ : state) picture.backing.Resolve(picture.memory.get());
}
BENCHMARK(AttachScattered)->Unit(benchmark::kMicrosecond);

void CompareEqual(benchmark::State& state) {
  Picture a(1920, 1080, Layout::kContiguous), b(1920, 1080, Layout::kContiguous);
  for (Picture* one : {&a, &b}) {
    CopyFromBacking(one->backing, 0, one->surface->stride_bytes(), PixelOrder::kBgra,
                    {0, 0, 1920, 1080}, *one->surface);
  }
  for (auto _ : state) {
    TileMap differing(1920, 1080);
    CompareSurfaces(*a.surface, *b.surface, {0, 0, 1920, 1080}, differing);
    benchmark::DoNotOptimize(differing);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(a.bytes()));
}
BENCHMARK(CompareEqual)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace rendercar::gpu
