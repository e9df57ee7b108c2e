// What the device does when its renderer dies.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/device_3d_fixture.h"

namespace rendercar::gpu {
namespace {

// A renderer that dies.
class Death : public Device3d {
 protected:
  void SetUp() override {
    CreateContext(1);
    CreateContext(2);
    Create3d(10);
    device_.Attach(10, 0, 64 * 64 * 4);
    AttachTo(2, 10);
    Transfer3d(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, 2, 10);
  }
  void Die(uint32_t guilty = 0) {
    renderer_.Die({RendererDeath::Kind::kSignaled, 9, "killed", guilty});
  }
};

TEST_F(Death, AnswersWhatWasInFlightWithItsFence) {
  const uint16_t first = Submit(1, {1}, 0x100000001);
  const uint16_t second = Submit(1, {1}, 0x100000002);
  Die();
  EXPECT_EQ(TypeOf(first), kUnspec);
  EXPECT_EQ(device_.Response(second).fence_id, 0x100000002u);
  EXPECT_EQ(device_.Response(second).flags, uint32_t{VIRTIO_GPU_FLAG_FENCE});
}

TEST_F(Death, ANewRendererIsToldEverything) {
  Die();
  device_.loop_.RunPosted();
  EXPECT_EQ(renderer_.starts, 2);
  EXPECT_EQ(renderer_.Logged<gpu::CreateContext>().size(), 2u);
  EXPECT_EQ(renderer_.Logged<CreateResource3d>().size(), 1u);
  EXPECT_EQ(renderer_.Logged<AttachBacking>().size(), 1u);
  EXPECT_EQ(renderer_.Logged<AttachResource>().size(), 1u);
  EXPECT_EQ(renderer_.Logged<gpu::Transfer>().size(), 1u);
  EXPECT_EQ(TypeOf(Submit(1, {1})), kOk);
}

TEST_F(Death, TheGuiltyContextIsPoisonedAndNobodyElse) {
  Die(1);
  device_.loop_.RunPosted();
  EXPECT_EQ(renderer_.Logged<gpu::CreateContext>().size(), 1u);
  EXPECT_EQ(TypeOf(Submit(1, {1})), kUnspec);
  EXPECT_EQ(TypeOf(Submit(2, {1})), kOk);
  EXPECT_EQ(device_.Do(Header(VIRTIO_GPU_CMD_CTX_DESTROY, 1)), kOk);
  EXPECT_EQ(CreateContext(1), kOk);
  EXPECT_EQ(TypeOf(Submit(1, {1})), kOk);
}

TEST_F(Death, WhatTheGuestMakesMeanwhileIsMadeLater) {
  renderer_.start_status = absl::UnavailableError("back-off");
  Die();
  device_.loop_.RunPosted();
  EXPECT_EQ(CreateContext(3), kOk);
  EXPECT_EQ(TypeOf(StartCreate3d(11)), kOk);
  EXPECT_EQ(AttachTo(3, 11), kOk);
  EXPECT_EQ(TypeOf(Submit(3, {1}, 9)), kUnspec);
  renderer_.start_status = absl::OkStatus();
  device_.loop_.Advance(std::chrono::milliseconds(60));
  EXPECT_EQ(renderer_.Logged<gpu::CreateContext>().size(), 3u);
  EXPECT_EQ(renderer_.Logged<CreateResource3d>().size(), 2u);
  EXPECT_EQ(TypeOf(Submit(3, {1})), kOk);
}

TEST_F(Death, ARendererThatIsTurnedOffLeaves2d) {
  renderer_.turned_off = true;  // the renderer's own policy has counted
  Die(1);
  device_.loop_.Advance(std::chrono::seconds(5));
  EXPECT_EQ(renderer_.starts, 1);
  EXPECT_EQ(TypeOf(Submit(2, {1}, 5)), kUnspec);
  EXPECT_EQ(CreateContext(7), kUnspec);
  EXPECT_EQ(device_.Create2d(20, 64, 64), kOk);
}

TEST_F(Death, TheDeviceCountsNoDeathsOfItsOwn) {
  for (int i = 0; i < 10; ++i) {
    Die();
    device_.loop_.RunPosted();
  }
  EXPECT_EQ(renderer_.starts, 11);
  EXPECT_EQ(TypeOf(Submit(1, {1})), kOk);
}

TEST_F(Death, AGuestThatStartsAnewUses3dAgainWhenTheRendererMay) {
  renderer_.turned_off = true;
  Die(1);
  device_.device_->Reset();
  renderer_.turned_off = false;  // as the policy does when the deaths are long ago
  EXPECT_EQ(CreateContext(1), kOk);
  EXPECT_EQ(TypeOf(Submit(1, {1})), kOk);
}

TEST_F(Death, BackingsOfARunningRendererFollowTheMemoryTable) {
  // The renderer finds its backings in the new table itself: it is told of the table and of nothing
  // else, before and after its death.
  device_.device_->SetMemory(device_.memory_);
  EXPECT_EQ(renderer_.memory_tables, 2);
  EXPECT_EQ(renderer_.Logged<AttachBacking>().size(), 1u);
  Die();
  device_.loop_.RunPosted();
  EXPECT_EQ(renderer_.Logged<AttachBacking>().size(), 1u);
}

}  // namespace
}  // namespace rendercar::gpu
