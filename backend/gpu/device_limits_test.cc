// What one guest may use: over a limit it gets the right error, or it waits, and it is counted.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/device_3d_fixture.h"

namespace rendercar::gpu {
namespace {

using std::chrono::milliseconds;

GpuDevice::Options Limited(const Limits& limits) {
  GpuDevice::Options options = With3d();
  options.limits = limits;
  return options;
}

TEST(DeviceLimitsTest, backing_entries_of_all_resources_together) {
  Limits limits;
  limits.all_backing_entries = 3;
  DeviceFixture device(Limited(limits));
  ASSERT_EQ(device.Create2d(1, 4, 4), kOk);
  ASSERT_EQ(device.Create2d(2, 4, 4), kOk);
  const std::vector<virtio_gpu_mem_entry> two{{kGuestBase, 64, 0}, {kGuestBase + 128, 64, 0}};
  EXPECT_EQ(device.Attach(1, two), kOk);
  EXPECT_EQ(device.Attach(2, two), kNoMemory);
  EXPECT_EQ(device.stats_.Get(StatsError::kOutOfMemory), 1u);
  EXPECT_EQ(device.Detach(1), kOk);
  EXPECT_EQ(device.Attach(2, two), kOk);
  EXPECT_EQ(device.Unref(2), kOk);
  EXPECT_EQ(device.Attach(1, two), kOk);
}

// A device over a renderer that a test drives, whose guest has one context.
class BudgetTest : public testing::Test {
 protected:
  static Limits Half() {
    Limits limits;
    limits.renderer_time_percent = 50;
    limits.attachments = 2;
    limits.resource_bytes = uint64_t{1} << 20;
    return limits;
  }
  void SetUp() override {
    virtio_gpu_ctx_create wire{};
    wire.hdr.type = VIRTIO_GPU_CMD_CTX_CREATE;
    wire.hdr.ctx_id = 1;
    ASSERT_EQ(device_.Do(wire), kOk);
  }
  uint32_t Create3d(uint32_t id, uint32_t side) {
    virtio_gpu_resource_create_3d wire{};
    wire.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_3D;
    wire.resource_id = id;
    wire.target = 2;
    wire.format = VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM;
    wire.width = wire.height = side;
    wire.depth = wire.array_size = 1;
    const uint16_t head = device_.Start(wire);
    device_.device_->EndBatch();
    renderer_.CompleteAll();
    return device_.Response(head).type;
  }
  uint32_t AttachToContext(uint32_t id) {
    virtio_gpu_ctx_resource wire{};
    wire.hdr.type = VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE;
    wire.hdr.ctx_id = 1;
    wire.resource_id = id;
    return device_.Do(wire);
  }
  // A fenced command stream, which keeps the renderer busy until it is completed.
  void Submit() {
    virtio_gpu_cmd_submit wire{};
    wire.hdr.type = VIRTIO_GPU_CMD_SUBMIT_3D;
    wire.hdr.ctx_id = 1;
    wire.hdr.flags = VIRTIO_GPU_FLAG_FENCE;
    wire.size = 4;
    device_.Start({DeviceFixture::Bytes(wire), std::vector<std::byte>(4)});
    device_.device_->EndBatch();
  }

  FakeRenderer renderer_;
  DeviceFixture device_{Limited(Half()), &renderer_};
};

TEST_F(BudgetTest, a_guest_over_its_time_waits_and_goes_on) {
  Submit();
  device_.loop_.Advance(milliseconds(90));
  EXPECT_TRUE(device_.device_->accepting());
  device_.loop_.Advance(milliseconds(200));  // half of the time is its own: 100 ms of debt
  EXPECT_FALSE(device_.device_->accepting());
  EXPECT_EQ(device_.stats_.Get(StatsValue::kRendererThrottles), 1u);
  renderer_.CompleteAll();
  EXPECT_FALSE(device_.device_->accepting());
  device_.loop_.Advance(milliseconds(400));
  EXPECT_TRUE(device_.device_->accepting());
  EXPECT_EQ(device_.port_.accepting_again, 1);
}

TEST_F(BudgetTest, a_guest_that_rests_in_between_never_waits) {
  for (int i = 0; i < 50; ++i) {
    Submit();
    device_.loop_.Advance(milliseconds(10));
    renderer_.CompleteAll();
    device_.loop_.Advance(milliseconds(20));
  }
  EXPECT_TRUE(device_.device_->accepting());
  EXPECT_EQ(device_.stats_.Get(StatsValue::kRendererThrottles), 0u);
}

TEST_F(BudgetTest, attachments_to_contexts) {
  for (uint32_t id = 1; id <= 3; ++id) ASSERT_EQ(Create3d(id, 16), kOk);
  EXPECT_EQ(AttachToContext(1), kOk);
  EXPECT_EQ(AttachToContext(2), kOk);
  EXPECT_EQ(AttachToContext(2), kOk);  // again: it is
  EXPECT_EQ(AttachToContext(3), kNoMemory);
  EXPECT_EQ(device_.Unref(1), 0u);  // waits for the renderer
  renderer_.CompleteAll();
  EXPECT_EQ(AttachToContext(3), kOk);
}

// A picture that the display socket takes at once, whatever the viewer does.
TEST(DisplayLimitsTest, frames_over_the_bandwidth_are_merged) {
  constexpr uint64_t kFrameBytes = uint64_t{64} * 64 * 4;
  Limits limits;
  limits.display_bytes_per_second = 10 * kFrameBytes;
  DeviceFixture device(Limited(limits));
  device.frames_pass_ = false;
  DisplayPeer peer = device.Connect();
  peer.Reply(wire::VHOST_USER_GPU_GET_PROTOCOL_FEATURES, uint64_t{0});
  device.PeerSent();
  const virtio_gpu_rect all{0, 0, 64, 64};
  ASSERT_EQ(device.Create2d(1, 64, 64), kOk);
  ASSERT_EQ(device.Attach(1, 0, kFrameBytes), kOk);
  ASSERT_EQ(device.SetScanout(0, 1, all), kOk);
  device.loop_.Advance(milliseconds(2000));
  peer.Read();
  device.PeerMadeRoom();
  const uint64_t first = device.stats_.Get(StatsValue::kDisplayBytes);
  for (int i = 0; i < 100; ++i) {  // one second of 100 frames
    std::memset(device.guest(0), i + 1, kFrameBytes);
    device.Transfer(1, all, 0);
    device.Flush(1, all);
    peer.Read();
    device.PeerMadeRoom();
    device.loop_.Advance(milliseconds(10));
  }
  const uint64_t sent = device.stats_.Get(StatsValue::kDisplayBytes) - first;
  EXPECT_GE(sent, 9 * kFrameBytes);
  EXPECT_LE(sent, 11 * kFrameBytes);
  EXPECT_GE(device.stats_.Get(StatsValue::kDisplayThrottles), 9u);
}

}  // namespace
}  // namespace rendercar::gpu
