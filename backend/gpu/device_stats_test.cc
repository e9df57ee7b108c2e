// What the device writes down in the statistics page: durations, limits, what waits.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstring>

#include "backend/gpu/device_fixture.h"
#include "backend/gpu/fake_renderer.h"

namespace rendercar::gpu {
namespace {

GpuDevice::Options With3d() {
  GpuDevice::Options options;
  options.capabilities.capsets = {{1, 1, std::vector<std::byte>(308)}};
  options.limits.resource_bytes = 12345678;
  return options;
}

class DeviceStats : public testing::Test {
 protected:
  DeviceStats() {
    virtio_gpu_ctx_create wire{};
    wire.hdr.type = VIRTIO_GPU_CMD_CTX_CREATE;
    wire.hdr.ctx_id = 1;
    device_.Do(wire);
  }
  void Submit(uint64_t fence) {
    virtio_gpu_cmd_submit wire{};
    wire.hdr.type = VIRTIO_GPU_CMD_SUBMIT_3D;
    wire.hdr.ctx_id = 1;
    wire.hdr.flags = VIRTIO_GPU_FLAG_FENCE;
    wire.hdr.fence_id = fence;
    wire.size = 4;
    device_.Start({DeviceFixture::Bytes(wire), std::vector<std::byte>(4)});
    device_.device_->EndBatch();
  }
  uint64_t Count(StatsHistogram histogram) { return device_.stats_.Get(histogram).count(); }

  FakeRenderer renderer_;
  DeviceFixture device_{With3d(), &renderer_};
};

TEST_F(DeviceStats, the_limits_stand_beside_what_is_used) {
  EXPECT_EQ(device_.stats_.Get(StatsValue::kResourceBytesLimit), 12345678u);
  EXPECT_EQ(device_.stats_.Get(StatsValue::kContextsLimit), 256u);
}

TEST_F(DeviceStats, a_fence_is_timed_until_it_is_signaled_in_its_order) {
  Submit(1);
  Submit(2);
  EXPECT_EQ(device_.stats_.Get(StatsValue::kRequestsInFlight), 2u);
  EXPECT_EQ(Count(StatsHistogram::kFence), 0u);
  renderer_.CompleteFirst();
  EXPECT_EQ(Count(StatsHistogram::kFence), 1u);
  renderer_.CompleteAll();
  EXPECT_EQ(Count(StatsHistogram::kFence), 2u);
  EXPECT_EQ(device_.stats_.Get(StatsValue::kRequestsInFlight), 0u);
}

TEST_F(DeviceStats, commands_are_timed_by_kind) {
  const uint64_t before_3d = Count(StatsHistogram::kCommand3d);
  device_.Create2d(5, 64, 64);
  Submit(1);
  renderer_.CompleteAll();
  EXPECT_EQ(Count(StatsHistogram::kCommand2d), 1u);
  EXPECT_EQ(Count(StatsHistogram::kCommand3d), before_3d + 1);
  EXPECT_EQ(Count(StatsHistogram::kCommandOther), 0u);
}

TEST_F(DeviceStats, what_is_flushed_counts_where_a_head_shows_it) {
  device_.Create2d(5, 64, 64);
  device_.SetScanout(0, 5, {0, 0, 32, 16});
  device_.Flush(5, {0, 0, 64, 64});
  EXPECT_EQ(device_.stats_.Get(StatsValue::kFlushedPixels), 32u * 16u);
}

TEST_F(DeviceStats, a_recovery_is_timed_once_a_death) {
  Submit(1);
  renderer_.Die();
  EXPECT_EQ(Count(StatsHistogram::kRecovery), 0u);
  device_.loop_.RunPosted();
  EXPECT_EQ(Count(StatsHistogram::kRecovery), 1u);
}

TEST_F(DeviceStats, a_full_renderer_is_one_stall_until_it_has_room) {
  renderer_.room = 0;
  Submit(1);
  Submit(2);
  EXPECT_EQ(device_.stats_.Get(StatsValue::kQueueStalls), 1u);
}

}  // namespace
}  // namespace rendercar::gpu
