// 3D commands from the guest's side, over a renderer that a test drives.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/device_3d_fixture.h"

namespace rendercar::gpu {
namespace {

TEST_F(Device3d, OffersVirglOnlyWithCapabilitySets) {
  EXPECT_EQ(device_.device_->features(), 1u | 2u | 4u | 8u | 16u);
  EXPECT_EQ(device_.device_->num_capsets(), 2u);
  DeviceFixture without;
  EXPECT_EQ(without.device_->features(), 2u | 4u | 8u);
  EXPECT_EQ(without.Do(Header(VIRTIO_GPU_CMD_CTX_DESTROY)), kUnspec);
}

TEST_F(Device3d, TellsTheCapabilitySets) {
  virtio_gpu_get_capset_info info{};
  info.hdr = Header(VIRTIO_GPU_CMD_GET_CAPSET_INFO, 0);
  info.capset_index = 1;
  const auto told = device_.Response<virtio_gpu_resp_capset_info>(device_.Start(info));
  EXPECT_EQ(told.hdr.type, uint32_t{VIRTIO_GPU_RESP_OK_CAPSET_INFO});
  EXPECT_EQ(told.capset_id, 2u);
  EXPECT_EQ(told.capset_max_size, 1380u);
  info.capset_index = 2;
  EXPECT_EQ(device_.Do(info), kBadParameter);
  virtio_gpu_get_capset get{};
  get.hdr = Header(VIRTIO_GPU_CMD_GET_CAPSET, 0);
  get.capset_id = 2;
  get.capset_version = 1;
  const uint16_t head = device_.Start(get);
  EXPECT_EQ(TypeOf(head), uint32_t{VIRTIO_GPU_RESP_OK_CAPSET});
  EXPECT_EQ(device_.port_.answers[head].written_bytes, 24u + 1380u);
  get.capset_id = 9;
  EXPECT_EQ(device_.Do(get), kBadParameter);
}

TEST_F(Device3d, StartsTheRendererOnlyWhenItIsNeeded) {
  EXPECT_EQ(CreateContext(1), kOk);
  device_.Create2d(5, 64, 64);
  EXPECT_EQ(AttachTo(1, 5), kOk);
  EXPECT_EQ(renderer_.starts, 0);
  EXPECT_EQ(Create3d(6), kOk);
  EXPECT_EQ(renderer_.starts, 1);
  ASSERT_EQ(renderer_.log.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<gpu::CreateContext>(renderer_.log[0].command));
  EXPECT_TRUE(std::holds_alternative<CreateResource3d>(renderer_.log[1].command));
}

TEST_F(Device3d, AnUnfencedSubmitIsAnsweredWhenHandedOver) {
  CreateContext(1);
  const uint16_t head = Submit(1, {1, 2, 3});
  EXPECT_EQ(TypeOf(head), kOk);
  const auto submits = renderer_.Logged<Submit3d>();
  ASSERT_EQ(submits.size(), 1u);
  EXPECT_EQ(submits[0].stream.size(), 12u);
  EXPECT_EQ(submits[0].completion, Completion::kNone);
}

TEST_F(Device3d, AFencedSubmitIsAnsweredWhenItsFenceIs) {
  CreateContext(1);
  const uint16_t head = Submit(1, {1}, 0x1122334455667788);
  EXPECT_EQ(TypeOf(head), kPending);
  EXPECT_EQ(renderer_.in_flight[0].completion, Completion::kFenced);
  renderer_.CompleteFirst();
  const auto response = device_.Response(head);
  EXPECT_EQ(response.type, kOk);
  EXPECT_EQ(response.fence_id, 0x1122334455667788u);
  EXPECT_EQ(response.flags, uint32_t{VIRTIO_GPU_FLAG_FENCE});
  EXPECT_EQ(response.ctx_id, 1u);
}

TEST_F(Device3d, AFenced2dCommandWaitsForEarlierFences) {
  CreateContext(1);
  device_.Create2d(5, 64, 64);
  const uint16_t submit = Submit(1, {1}, 1);
  const uint16_t flush = FencedFlush(5, 2);
  const uint16_t later = Submit(1, {1}, 3);
  EXPECT_FALSE(device_.Answered(flush));
  EXPECT_EQ(device_.Flush(5, {0, 0, 64, 64}), kOk);
  renderer_.CompleteFirst();
  EXPECT_TRUE(device_.Answered(submit));
  EXPECT_TRUE(device_.Answered(flush));
  EXPECT_FALSE(device_.Answered(later));
  EXPECT_LT(device_.port_.answers[submit].order, device_.port_.answers[flush].order);
}

TEST_F(Device3d, FencesOfOneTimelineAreAnsweredInOrderWhateverTheRendererDoes) {
  CreateContext(1);
  const uint16_t first = Submit(1, {1}, 1);
  const uint16_t second = Submit(1, {1}, 2);
  renderer_.CompleteAt(1);
  EXPECT_FALSE(device_.Answered(second));
  renderer_.CompleteFirst();
  EXPECT_LT(device_.port_.answers[first].order, device_.port_.answers[second].order);
}

TEST_F(Device3d, EachRingOfAContextIsATimelineOfItsOwn) {
  CreateContext(1);
  const uint16_t first = Submit(1, {1}, 1, 0);
  const uint16_t second = Submit(1, {1}, 1, 3);
  renderer_.CompleteAt(1);
  EXPECT_TRUE(device_.Answered(second));
  EXPECT_FALSE(device_.Answered(first));
  EXPECT_EQ(TypeOf(Submit(1, {1}, 1, 64)), kBadParameter);
}

TEST_F(Device3d, RefusesWhatIsWrongWithItsOwnErrorEach) {
  EXPECT_EQ(CreateContext(0), kBadContext);
  EXPECT_EQ(CreateContext(1), kOk);
  EXPECT_EQ(CreateContext(1), kBadContext);
  EXPECT_EQ(CreateContext(2, 65), kBadParameter);
  EXPECT_EQ(AttachTo(9, 1), kBadContext);
  EXPECT_EQ(AttachTo(1, 9), kBadResource);
  EXPECT_EQ(AttachTo(1, 9, VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE), kBadResource);
  EXPECT_EQ(device_.Do(Header(VIRTIO_GPU_CMD_CTX_DESTROY, 9)), kBadContext);
  EXPECT_EQ(TypeOf(Submit(9, {1})), kBadContext);
  EXPECT_EQ(TypeOf(StartCreate3d(0)), kBadResource);
  EXPECT_EQ(TypeOf(StartCreate3d(3, 0)), kBadParameter);
  EXPECT_EQ(TypeOf(StartCreate3d(3, 0xffffffff)), kBadParameter);
  EXPECT_EQ(Create3d(4), kOk);
  EXPECT_EQ(TypeOf(StartCreate3d(3, 16384, 16384)), kNoMemory);
  EXPECT_EQ(Transfer3d(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, 1, 9), kBadResource);
  EXPECT_EQ(Transfer3d(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, 9, 9), kBadContext);
  EXPECT_EQ(Create3d(3), kOk);
  EXPECT_EQ(TypeOf(StartCreate3d(3)), kBadResource);
  EXPECT_EQ(Transfer3d(VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D, 1, 3), kUnspec);
  EXPECT_EQ(device_.Attach(3, 0, 64 * 64 * 4), kOk);
  EXPECT_EQ(Transfer3d(VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D, 1, 3), kOk);
}

TEST_F(Device3d, AnOddOrOverlongSubmitIsRefused) {
  CreateContext(1);
  virtio_gpu_cmd_submit wire{};
  wire.hdr = Header(VIRTIO_GPU_CMD_SUBMIT_3D);
  wire.size = 3;
  EXPECT_EQ(TypeOf(device_.Start({DeviceFixture::Bytes(wire), std::vector<std::byte>(3)})),
            kBadParameter);
  EXPECT_EQ(TypeOf(Submit(1, std::vector<uint32_t>((1 << 18) + 1))), kNoMemory);
}

TEST_F(Device3d, AResourceThatVirglRefusesIsGone) {
  const uint16_t head = StartCreate3d(1);
  renderer_.CompleteFirst(RenderResult::kRefused);
  EXPECT_EQ(TypeOf(head), kBadParameter);
  EXPECT_EQ(device_.stats_.Get(StatsValue::kResources), 0u);
  EXPECT_EQ(Create3d(1), kOk);
}

TEST_F(Device3d, UnrefAndDetachWaitForTheRenderer) {
  Create3d(1);
  device_.Attach(1, 0, 64 * 64 * 4);
  EXPECT_EQ(device_.Detach(1), kPending);
  EXPECT_EQ(device_.Unref(1), kPending);
  renderer_.CompleteAll();
  EXPECT_EQ(device_.port_.answers.size(), 4u);
}

TEST_F(Device3d, StopsAcceptingWhileTheRendererHasNoRoom) {
  CreateContext(1);
  Submit(1, {1});
  renderer_.room = 0;
  const uint16_t unfenced = Submit(1, {2});
  const uint16_t fenced = Submit(1, {3}, 7);
  EXPECT_FALSE(device_.device_->accepting());
  EXPECT_FALSE(device_.Answered(unfenced));
  renderer_.MakeRoom();
  EXPECT_TRUE(device_.device_->accepting());
  EXPECT_EQ(device_.port_.accepting_again, 1);
  EXPECT_EQ(TypeOf(unfenced), kOk);
  const auto submits = renderer_.Logged<Submit3d>();
  ASSERT_EQ(submits.size(), 3u);
  EXPECT_EQ(submits[2].stream[0], std::byte{3});
  renderer_.CompleteAll();
  EXPECT_EQ(TypeOf(fenced), kOk);
}

TEST_F(Device3d, PromotesA2dResourceThatACommandNames) {
  constexpr uint32_t kNamed = 0x4711, kOther = 0x4712;
  CreateContext(1);
  for (const uint32_t id : {kNamed, kOther}) {
    device_.Create2d(id, 64, 64);
    device_.Attach(id, 0, 64 * 64 * 4);
    AttachTo(1, id);
  }
  Submit(1, {1, 2, kNamed});
  ASSERT_EQ(renderer_.Logged<CreateResource3d>().size(), 1u);
  EXPECT_EQ(std::get<CreateResource3d>(renderer_.Logged<CreateResource3d>()[0].command).resource_id,
            kNamed);
  EXPECT_EQ(renderer_.Logged<AttachBacking>().size(), 1u);
  EXPECT_EQ(renderer_.Logged<AttachResource>().size(), 1u);
  EXPECT_EQ(renderer_.Logged<gpu::Transfer>().size(), 1u);
  // The submit comes last; from then on transfers go to the renderer too.
  EXPECT_TRUE(std::holds_alternative<Submit3d>(renderer_.log.back().command));
  EXPECT_EQ(device_.Transfer(kNamed, {0, 0, 8, 8}, 0), kOk);
  EXPECT_EQ(renderer_.Logged<gpu::Transfer>().size(), 2u);
}

TEST_F(Device3d, ResetLeavesNothing) {
  CreateContext(1);
  Create3d(2);
  const uint16_t fenced = Submit(1, {1}, 5);
  device_.device_->Reset();
  EXPECT_TRUE(device_.Answered(fenced));
  EXPECT_EQ(device_.stats_.Get(StatsValue::kResources), 0u);
  EXPECT_EQ(device_.stats_.Get(StatsValue::kContexts), 0u);
  EXPECT_EQ(TypeOf(Submit(1, {1})), kBadContext);
}

TEST_F(Device3d, QuiesceAnswersEverythingAlsoWhenTheRendererHangs) {
  CreateContext(1);
  renderer_.hangs = true;
  const uint16_t fenced = Submit(1, {1}, 5);
  renderer_.room = 0;
  const uint16_t kept = Submit(1, {1});
  device_.device_->Quiesce();
  EXPECT_EQ(TypeOf(fenced), kUnspec);
  EXPECT_EQ(TypeOf(kept), kUnspec);
  EXPECT_EQ(device_.Response(fenced).fence_id, 5u);
}

}  // namespace
}  // namespace rendercar::gpu
