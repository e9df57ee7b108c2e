// The vhost-user protocol's answers while the rings are full.
// SPDX-License-Identifier: Apache-2.0
#include <linux/virtio_gpu.h>

#include <array>
#include <atomic>
#include <thread>

#include "bench/workload.h"
#include "tests/frontend/gpu_commands.h"

namespace rendercar::bench {
namespace {

using namespace frontend;  // the vocabulary of this file

constexpr uint32_t kResource = 1, kWidth = 1920, kHeight = 1080;

// GET_CONFIG from a frontend that, as QEMU does, reads no display message while it waits for the
// reply; the control ring is kept full of whole-frame updates meanwhile.
class GetConfig final : public Workload {
 public:
  absl::Status Prepare(TestVm& vm) override {
    GpuDriver& gpu = vm.control();
    backing_ = vm.ram().AllocateScattered(size_t{kWidth} * kHeight * 4);
    gpu.TypeOf(ResourceCreate2d(kResource, kWidth, kHeight, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM));
    gpu.AttachBacking(kResource, backing_);
    const uint32_t type = gpu.TypeOf(SetScanout(0, kResource, kAll));
    return type == VIRTIO_GPU_RESP_OK_NODATA ? absl::OkStatus()
                                             : absl::InternalError("SET_SCANOUT was refused");
  }

  absl::StatusOr<uint64_t> Run(TestVm& vm, Clock::time_point deadline, Samples* samples) override {
    std::atomic<bool> stop{false};
    std::thread guest([&] { KeepFull(vm, stop); });
    absl::Status status;
    uint64_t calls = 0;
    while (status.ok() && !stop && Clock::now() < deadline) {
      status = Ask(vm, stop, samples);
      ++calls;
    }
    stop = true;
    guest.join();
    if (!status.ok()) return status;
    return calls;
  }

 private:
  static constexpr Rect kAll{0, 0, kWidth, kHeight};
  // QEMU would wait for ever. Here the frontend gives way after this long: it reads the display
  // socket again, and when that does not help the guest stops drawing.
  static constexpr std::chrono::milliseconds kPatience{500};

  void KeepFull(TestVm& vm, const std::atomic<bool>& stop) {
    GpuDriver& gpu = vm.control();
    uint32_t shade = 0;
    while (!stop || gpu.in_flight() > 0) {
      while (!stop && gpu.in_flight() + 2 <= gpu.capacity()) {
        for (const GuestSpan& page : backing_) {
          std::memcpy(vm.ram().At(page.addr, 4).data(), &shade, 4);
        }
        ++shade;
        gpu.Post(TransferToHost2d(kResource, kAll, 0));
        gpu.Post(ResourceFlush(kResource, kAll));
      }
      gpu.Publish();
      if (gpu.in_flight() > 0 && !gpu.WaitSlot()) return;
    }
  }

  absl::Status Ask(TestVm& vm, std::atomic<bool>& stop, Samples* samples) {
    // A config read at any moment of a frame.
    std::this_thread::sleep_for(std::chrono::microseconds(200 + 37 * (++asked_ % 50)));
    vm.display().Pause();
    std::array<std::byte, sizeof(VhostUserConfigHeader) + sizeof(virtio_gpu_config)> payload{};
    const VhostUserConfigHeader header{0, sizeof(virtio_gpu_config), 0};
    std::memcpy(payload.data(), &header, sizeof(header));
    VhostChannel& channel = vm.frontend().channel();
    const Clock::time_point start = Clock::now();
    absl::Status status = channel.Send(VHOST_USER_GET_CONFIG, payload);
    if (status.ok()) status = channel.Receive(kPatience).status();
    vm.display().Resume();
    if (absl::IsDeadlineExceeded(status)) status = channel.Receive(kPatience).status();
    if (absl::IsDeadlineExceeded(status)) {
      stop = true;
      status = channel.Receive().status();
    }
    samples->Add(Clock::now() - start);
    return status;
  }

  std::vector<GuestSpan> backing_;
  uint32_t asked_ = 0;
};

}  // namespace

std::vector<Row> RowsProtocol() {
  return {{"get-config", "GET_CONFIG while the control ring is full of 1080p frames",
           "p99 under 1 ms", false, true, 0, [] { return std::make_unique<GetConfig>(); }}};
}

}  // namespace rendercar::bench
