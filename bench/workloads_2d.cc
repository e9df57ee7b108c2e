// 2D rows: resources, transfers, flushes, the cursor.
// SPDX-License-Identifier: Apache-2.0
#include <linux/virtio_gpu.h>

#include "bench/pump.h"
#include "bench/workload.h"
#include "tests/frontend/gpu_commands.h"

namespace rendercar::bench {
namespace {

using namespace frontend;  // the vocabulary of this file

constexpr uint32_t kResource = 1;
constexpr uint64_t kPage = 4096;

// A resource backed by scattered pages, shown on scanout 0 when `shown`.
absl::Status PrepareScreen(TestVm& vm, uint32_t width, uint32_t height, bool shown,
                           std::vector<GuestSpan>* backing) {
  GpuDriver& gpu = vm.control();
  *backing = vm.ram().AllocateScattered(size_t{width} * height * 4);
  RC_RETURN_IF_ERROR(ExpectOk(
      gpu.TypeOf(ResourceCreate2d(kResource, width, height, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM)),
      "RESOURCE_CREATE_2D"));
  RC_RETURN_IF_ERROR(ExpectOk(gpu.AttachBacking(kResource, *backing), "RESOURCE_ATTACH_BACKING"));
  if (!shown) return absl::OkStatus();
  return ExpectOk(gpu.TypeOf(SetScanout(0, kResource, {0, 0, width, height})), "SET_SCANOUT");
}

class CreateUnref final : public Workload {
 public:
  explicit CreateUnref(uint32_t window) : window_(window) {}
  absl::Status Prepare(TestVm&) override { return absl::OkStatus(); }
  absl::StatusOr<uint64_t> Run(TestVm& vm, Clock::time_point deadline, Samples* samples) override {
    // Creates and destroys alternate in groups of half a window, so that both are in flight.
    const uint32_t group = std::max(1U, window_ / 2);
    return Pump(vm.control(), {window_}, deadline, samples,
                [&](GpuDriver& gpu, uint64_t) { return PostNext(gpu, group); });
  }

 private:
  std::optional<uint32_t> PostNext(GpuDriver& gpu, uint32_t group) {
    const uint64_t number = next_++;
    const auto id = static_cast<uint32_t>(1 + number % group);
    if (number / group % 2 == 0) {
      return gpu.Post(ResourceCreate2d(id, 16, 16, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM));
    }
    return gpu.Post(ResourceUnref(id));
  }

  const uint32_t window_;
  uint64_t next_ = 0;  // goes on between slices: what was created last is destroyed first
};

// TRANSFER_TO_HOST_2D of a whole resource, or nearly.
class TransferAll final : public Workload {
 public:
  // `skip` leaves out that many rows at the top: an offset other than zero.
  TransferAll(uint32_t width, uint32_t height, uint32_t skip)
      : rect_{0, skip, width, height - skip} {}
  absl::Status Prepare(TestVm& vm) override {
    return PrepareScreen(vm, rect_.width, rect_.y + rect_.height, false, &backing_);
  }
  absl::StatusOr<uint64_t> Run(TestVm& vm, Clock::time_point deadline, Samples* samples) override {
    return Pump(vm.control(), {1}, deadline, samples, [&](GpuDriver& gpu, uint64_t) {
      return gpu.Post(TransferToHost2d(kResource, rect_, uint64_t{rect_.y} * rect_.width * 4));
    });
  }

 private:
  const Rect rect_;
  std::vector<GuestSpan> backing_;
};

// TRANSFER_TO_HOST_2D and RESOURCE_FLUSH of one rectangle of a shown resource.
class Update final : public Workload {
 public:
  struct Options {
    uint32_t width = 0, height = 0;
    Rect rect;
    uint32_t window = 1;
    bool changes = true;  // the guest writes other pixels before each
  };
  explicit Update(const Options& options) : options_(options) {}
  absl::Status Prepare(TestVm& vm) override {
    return PrepareScreen(vm, options_.width, options_.height, true, &backing_);
  }
  absl::StatusOr<uint64_t> Run(TestVm& vm, Clock::time_point deadline, Samples* samples) override {
    const Rect& rect = options_.rect;
    const uint64_t offset = (uint64_t{rect.y} * options_.width + rect.x) * 4;
    PumpOptions pump{options_.window};
    if (options_.changes) pump.before = [&] { Draw(vm.ram()); };
    return Pump(vm.control(), pump, deadline, samples,
                [&](GpuDriver& gpu, uint64_t) -> std::optional<uint32_t> {
                  if (!gpu.Post(TransferToHost2d(kResource, rect, offset))) return std::nullopt;
                  return gpu.Post(ResourceFlush(kResource, rect));
                });
  }

 private:
  // Every pixel of the rectangle gets a new colour.
  void Draw(GuestRam& ram) {
    shade_ += 0x010203;
    const Rect& rect = options_.rect;
    for (uint32_t y = rect.y; y < rect.y + rect.height; ++y) {
      uint64_t at = (uint64_t{y} * options_.width + rect.x) * 4;
      const uint64_t end = at + uint64_t{rect.width} * 4;
      while (at < end) {
        const uint64_t part = std::min(end - at, kPage - at % kPage);
        auto* pixels = reinterpret_cast<uint32_t*>(
            ram.At(backing_[at / kPage].addr + at % kPage, part).data());
        std::fill_n(pixels, part / 4, shade_);
        at += part;
      }
    }
  }

  const Options options_;
  std::vector<GuestSpan> backing_;
  uint32_t shade_ = 0;
};

class CursorMoves final : public Workload {
 public:
  absl::Status Prepare(TestVm&) override { return absl::OkStatus(); }
  absl::StatusOr<uint64_t> Run(TestVm& vm, Clock::time_point deadline, Samples* samples) override {
    return Pump(vm.cursor(), {8, false}, deadline, samples, [](GpuDriver& gpu, uint64_t number) {
      const auto at = static_cast<uint32_t>(number % 700);
      return gpu.Post(MoveCursor(0, at, at));
    });
  }
};

std::function<std::unique_ptr<Workload>()> MakeUpdate(const Update::Options& options) {
  return [options] { return std::make_unique<Update>(options); };
}

}  // namespace

std::vector<Row> Rows2d() {
  const Rect full{0, 0, 1920, 1080}, small{928, 508, 64, 64}, corner{3776, 2096, 64, 64};
  const double frame = 1920.0 * 1080 * 4;
  return {
      {"create-1", "create/unref, one at a time", "1.5x", false, true, 0,
       [] { return std::make_unique<CreateUnref>(1); }},
      {"create-64", "create/unref, 64 in flight", "3x", false, false, 0,
       [] { return std::make_unique<CreateUnref>(64); }},
      {"transfer", "transfer 1080p from scattered pages", "2x, 0.6 of memcpy", false, true, frame,
       [] { return std::make_unique<TransferAll>(1920, 1080, 0); }},
      {"transfer-band", "transfer 1080p but its first row (row by row in QEMU's)", "2x", false,
       true, frame, [] { return std::make_unique<TransferAll>(1920, 1080, 1); }},
      {"flush-changed", "transfer+flush 1080p, changed frames", "3x", false, true, frame,
       MakeUpdate({1920, 1080, full, 1, true})},
      {"flush-same", "transfer+flush 1080p, unchanged frames", "10x", false, true, frame,
       MakeUpdate({1920, 1080, full, 1, false})},
      {"small-1", "transfer+flush 64x64 in 1080p, one at a time", "4x", false, true, 0,
       MakeUpdate({1920, 1080, small, 1, true})},
      {"small-32", "transfer+flush 64x64 in 1080p, 32 in flight", "8x", false, false, 0,
       MakeUpdate({1920, 1080, small, 32, true})},
      {"corner", "transfer+flush 64x64, bottom right of 3840x2160", "20x", false, true, 0,
       MakeUpdate({3840, 2160, corner, 1, true})},
      {"cursor", "cursor moves", "2x", false, false, 0,
       [] { return std::make_unique<CursorMoves>(); }},
  };
}

}  // namespace rendercar::bench
