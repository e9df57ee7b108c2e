// 3D from the guest's side, over a renderer that a test drives.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "backend/gpu/device_fixture.h"
#include "backend/gpu/fake_renderer.h"

namespace rendercar::gpu {
namespace {

constexpr uint32_t kOk = VIRTIO_GPU_RESP_OK_NODATA;
constexpr uint32_t kPending = 0;
constexpr uint32_t kUnspec = VIRTIO_GPU_RESP_ERR_UNSPEC;
constexpr uint32_t kNoMemory = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
constexpr uint32_t kBadResource = VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
constexpr uint32_t kBadContext = VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
constexpr uint32_t kBadParameter = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;

GpuDevice::Options With3d() {
  GpuDevice::Options options;
  options.capabilities.capsets = {{1, 1, std::vector<std::byte>(308)},
                                  {2, 2, std::vector<std::byte>(1380, std::byte{7})}};
  return options;
}

class Device3d : public testing::Test {
 protected:
  virtio_gpu_ctrl_hdr Header(uint32_t type, uint32_t ctx_id = 1) {
    virtio_gpu_ctrl_hdr hdr{};
    hdr.type = type;
    hdr.ctx_id = ctx_id;
    return hdr;
  }
  uint32_t CreateContext(uint32_t id, uint32_t nlen = 4) {
    virtio_gpu_ctx_create wire{};
    wire.hdr = Header(VIRTIO_GPU_CMD_CTX_CREATE, id);
    wire.nlen = nlen;
    std::memcpy(wire.debug_name, "test", 4);
    return device_.Do(wire);
  }
  uint32_t AttachTo(uint32_t context, uint32_t resource,
                    uint32_t type = VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE) {
    virtio_gpu_ctx_resource wire{};
    wire.hdr = Header(type, context);
    wire.resource_id = resource;
    return device_.Do(wire);
  }
  uint16_t StartCreate3d(uint32_t id, uint32_t width = 64, uint32_t height = 64,
                         uint32_t format = VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM) {
    virtio_gpu_resource_create_3d wire{};
    wire.hdr = Header(VIRTIO_GPU_CMD_RESOURCE_CREATE_3D, 0);
    wire.resource_id = id;
    wire.target = 2;
    wire.format = format;
    wire.width = width;
    wire.height = height;
    wire.depth = wire.array_size = 1;
    const uint16_t head = device_.Start(wire);
    device_.device_->EndBatch();
    return head;
  }
  uint32_t Create3d(uint32_t id, uint32_t width = 64, uint32_t height = 64) {
    const uint16_t head = StartCreate3d(id, width, height);
    renderer_.CompleteAll();
    return device_.Response(head).type;
  }
  uint16_t Submit(uint32_t context, std::vector<uint32_t> words, uint64_t fence = 0,
                  int ring_idx = -1) {
    virtio_gpu_cmd_submit wire{};
    wire.hdr = Header(VIRTIO_GPU_CMD_SUBMIT_3D, context);
    if (fence != 0) wire.hdr.flags |= VIRTIO_GPU_FLAG_FENCE;
    if (ring_idx >= 0) {
      wire.hdr.flags |= VIRTIO_GPU_FLAG_INFO_RING_IDX;
      wire.hdr.ring_idx = static_cast<uint8_t>(ring_idx);
    }
    wire.hdr.fence_id = fence;
    wire.size = static_cast<uint32_t>(words.size() * 4);
    const auto bytes = std::as_bytes(std::span(words));
    const uint16_t head = device_.Start({DeviceFixture::Bytes(wire), {bytes.begin(), bytes.end()}});
    device_.device_->EndBatch();
    return head;
  }
  uint32_t Transfer3d(uint32_t type, uint32_t context, uint32_t resource, uint32_t width = 64) {
    virtio_gpu_transfer_host_3d wire{};
    wire.hdr = Header(type, context);
    wire.resource_id = resource;
    wire.box = {0, 0, 0, width, 64, 1};
    return device_.Do(wire);
  }
  uint16_t FencedFlush(uint32_t resource, uint64_t fence) {
    virtio_gpu_resource_flush wire{};
    wire.hdr = Header(VIRTIO_GPU_CMD_RESOURCE_FLUSH, 0);
    wire.hdr.flags = VIRTIO_GPU_FLAG_FENCE;
    wire.hdr.fence_id = fence;
    wire.resource_id = resource;
    return device_.Start(wire);
  }
  uint32_t TypeOf(uint16_t head) { return device_.Response(head).type; }

  FakeRenderer renderer_;
  DeviceFixture device_{With3d(), &renderer_};
};

TEST_F(Device3d, OffersVirglOnlyWithCapabilitySets) {
  EXPECT_EQ(device_.device_->features(), 1u | 2u | 4u | 16u);
  EXPECT_EQ(device_.device_->num_capsets(), 2u);
  DeviceFixture without;
  EXPECT_EQ(without.device_->features(), 2u | 4u);
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

TEST_F(Death, ThreeWithinAMinuteTurn3dOffAnd2dGoesOn) {
  for (int i = 0; i < 3; ++i) {
    Die();
    device_.loop_.RunPosted();
  }
  EXPECT_EQ(renderer_.starts, 3);
  EXPECT_EQ(TypeOf(Submit(1, {1}, 5)), kUnspec);
  EXPECT_EQ(CreateContext(7), kUnspec);
  EXPECT_EQ(device_.Create2d(20, 64, 64), kOk);
}

TEST_F(Death, ThreeInMoreThanAMinuteDoNot) {
  for (int i = 0; i < 5; ++i) {
    Die();
    device_.loop_.Advance(std::chrono::seconds(31));
  }
  EXPECT_EQ(renderer_.starts, 6);
  EXPECT_EQ(TypeOf(Submit(1, {1})), kOk);
}

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
