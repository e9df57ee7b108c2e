// 3D scanouts and cursors: what GL drew, on the way to the display.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/device_3d_fixture.h"

namespace rendercar::gpu {
namespace {

// 3D scanouts.
class Shown3d : public Device3d {
 protected:
  static constexpr virtio_gpu_rect kAll{0, 0, 128, 32};
  void SetUp() override {
    CreateContext(1);
    for (const uint32_t id : {1u, 2u}) {
      Create3d(id, 128, 32);
      renderer_.colours[id] = 0x11111111u * id;
    }
    ASSERT_EQ(device_.SetScanout(0, 1, kAll), kOk);
    ASSERT_EQ(device_.Flush(1, kAll), kOk);
    renderer_.CompleteAll();
    Read();
  }
  // Bytes of pixels that arrived, by colour.
  std::map<uint32_t, size_t> Read() {
    std::map<uint32_t, size_t> bytes;
    device_.NextFrame();
    for (const auto& message : peer_.Read()) {
      if (message.request != wire::VHOST_USER_GPU_UPDATE) continue;
      uint32_t colour;
      std::memcpy(&colour, message.payload.data() + 20, 4);
      bytes[colour] += message.payload.size() - 20;
    }
    return bytes;
  }
  DisplayPeer peer_ = device_.Connect();
};

TEST_F(Shown3d, AFlushBringsWhatGlDrew) {
  renderer_.colours[1] = 0x00123456;
  device_.Flush(1, kAll);
  EXPECT_TRUE(Read().empty());
  renderer_.CompleteAll();
  EXPECT_EQ(Read(), (std::map<uint32_t, size_t>{{0x00123456, 128 * 32 * 4}}));
}

TEST_F(Shown3d, WhatDidNotChangeIsNotSent) {
  device_.Flush(1, kAll);
  renderer_.CompleteAll();
  EXPECT_TRUE(Read().empty());
}

TEST_F(Shown3d, PageFlipsKeepTheLastFrameUntilTheNextIsRead) {
  device_.SetScanout(0, 2, kAll);
  EXPECT_TRUE(peer_.Read().empty());
  device_.Flush(2, kAll);
  renderer_.CompleteAll();
  EXPECT_EQ(Read(), (std::map<uint32_t, size_t>{{0x22222222, 128 * 32 * 4}}));
}

TEST_F(Shown3d, FlushesAreMergedWhileAReadIsInFlight) {
  for (int i = 0; i < 10; ++i) device_.Flush(1, kAll);
  EXPECT_EQ(renderer_.in_flight.size(), 1u);
  renderer_.CompleteFirst();
  EXPECT_EQ(renderer_.in_flight.size(), 1u);
  renderer_.CompleteFirst();
  EXPECT_TRUE(renderer_.in_flight.empty());
}

TEST_F(Shown3d, DeathKeepsTheLastFrameAndTheNextFlushShowsAgain) {
  device_.Flush(1, kAll);
  renderer_.Die();
  EXPECT_TRUE(peer_.Read().empty());
  device_.loop_.RunPosted();
  renderer_.colours[1] = 0x00777777;
  device_.Flush(1, kAll);
  renderer_.CompleteAll();
  EXPECT_EQ(Read(), (std::map<uint32_t, size_t>{{0x00777777, 128 * 32 * 4}}));
}

TEST_F(Shown3d, AFormatThatCannotBeShownIsRefused) {
  StartCreate3d(5, 64, 64, 31);  // VIRGL_FORMAT_R32G32B32A32_FLOAT
  renderer_.CompleteAll();
  EXPECT_EQ(device_.SetScanout(1, 5, {0, 0, 64, 64}), kBadParameter);
}

TEST_F(Shown3d, ACursorIsReadFromGl) {
  Create3d(6, 64, 64);
  renderer_.colours[6] = 0x80abcdef;
  virtio_gpu_update_cursor wire{};
  wire.hdr = Header(VIRTIO_GPU_CMD_UPDATE_CURSOR, 0);
  wire.resource_id = 6;
  EXPECT_EQ(device_.Do(wire, Queue::kCursor), kOk);
  wire.hdr.type = VIRTIO_GPU_CMD_MOVE_CURSOR;
  wire.pos.x = 77;
  EXPECT_EQ(device_.Do(wire, Queue::kCursor), kOk);
  peer_.Read();
  renderer_.CompleteAll();
  device_.NextFrame();
  const auto messages = peer_.Read();
  ASSERT_EQ(messages.size(), 1u);
  const auto update = messages[0].As<wire::VhostUserGpuCursorUpdate>();
  EXPECT_EQ(update.pos.x, 77u);
  EXPECT_EQ(update.data[100], 0x80abcdefu);
}

TEST_F(Shown3d, APromotedScanoutIsReadBackAndFallsBackTo2dWhenTheRendererDies) {
  constexpr uint32_t kId = 0x4711;
  device_.Create2d(kId, 128, 32);
  device_.Attach(kId, 0, 128 * 32 * 4);
  AttachTo(1, kId);
  device_.SetScanout(0, kId, kAll);
  Submit(1, {kId});
  renderer_.colours[kId] = 0x00010203;
  device_.Flush(kId, kAll);
  renderer_.CompleteAll();
  EXPECT_EQ(Read().count(0x00010203), 1u);
  renderer_.start_status = absl::UnavailableError("gone");
  renderer_.Die();
  device_.device_->EndBatch();
  EXPECT_TRUE(Read().empty());  // the last picture stays
  std::memset(device_.guest(0), 0x44, 128 * 32 * 4);
  EXPECT_EQ(device_.Transfer(kId, kAll, 0), kOk);
  EXPECT_EQ(device_.Flush(kId, kAll), kOk);
  EXPECT_EQ(Read(), (std::map<uint32_t, size_t>{{0x44444444, 128 * 32 * 4}}));
}

}  // namespace
}  // namespace rendercar::gpu
