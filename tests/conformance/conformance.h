// What every conformance test starts with: a backend of ours in QEMU's message order, its counted
// errors, and the question whether it still works.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "common/stats_page.h"
#include "common/temp_dir.h"
#include "tests/frontend/gpu_commands.h"
#include "tests/frontend/test_vm.h"

namespace rendercar::frontend {

class Conformance : public testing::Test {
 protected:
  // Skips, loudly, where the backend is not built.
  void SetUp() override;
  // No test may leave a backend that a signal ended.
  void TearDown() override;

  // The backend as a process, nothing sent yet.
  void PowerOn(const FrontendOptions& options = {});
  void PowerOn(VmOptions options);
  // Up to DRIVER_OK.
  void Boot(const FrontendOptions& options = {});
  void Boot(VmOptions options);
  void BootVirgl();

  TestVm& vm() { return *vm_; }
  GpuDriver& gpu() { return vm_->control(); }
  VhostChannel& channel() { return vm_->frontend().channel(); }
  DisplayEnd& display() { return vm_->display(); }

  // The backend's statistics; zeros when they are switched off.
  StatsSnapshot Stats() const;
  uint64_t Counted(StatsError error) const { return Stats().errors[static_cast<size_t>(error)]; }
  // All errors together.
  uint64_t CountedErrors() const;
  // Does `action`; the backend must count an error of this kind (or of any) because of it.
  void ExpectCounted(StatsError error, const std::function<void()>& action);
  void ExpectAnyCounted(const std::function<void()>& action);

  // The device answers a valid command.
  void ExpectAlive();
  // The connection ends, and the backend with it, by its own decision.
  void ExpectDisconnected();
  // The frontend misbehaved: a disconnect, or a device that goes on; no crash either way.
  void ExpectContained();
  // The control ring was broken: it stops; after a driver reset the device goes on.
  void ExpectRingStopsAndResetHelps();

  // A resource with scattered backing that holds `pixels`; 0 in `format` is B8G8R8X8.
  void CreateResource(uint32_t id, uint32_t width, uint32_t height,
                      uint32_t format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM);
  void Draw(uint32_t id, const Picture& picture);  // into the backing
  void TransferAndFlush(uint32_t id, const Rect& rect);

  struct Resource {
    uint32_t width = 0, height = 0;
    std::vector<GuestSpan> backing;
  };
  std::map<uint32_t, Resource> resources_;

 private:
  TempDir directory_;
  bool has_stats_ = true;
  std::unique_ptr<TestVm> vm_;
};

// A picture in which every pixel differs from its neighbours; another one for each `seed`.
Picture TestPicture(uint32_t width, uint32_t height, uint32_t seed = 1);

}  // namespace rendercar::frontend
