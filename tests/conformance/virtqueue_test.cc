// Rings and chains that break the rules: the ring stops, the event is counted, and a driver reset
// brings the device back.
// SPDX-License-Identifier: Apache-2.0
#include <poll.h>

#include <chrono>
#include <cstring>

#include "tests/conformance/conformance.h"

namespace rendercar::frontend {
namespace {

constexpr uint64_t kMax = ~uint64_t{0};

class Virtqueue : public Conformance {
 protected:
  void SetUp() override {
    Conformance::SetUp();
    if (!IsSkipped()) Boot();
  }
  SplitQueue& queue() { return gpu().queue(); }
  // Room for a command and its response in guest memory; the command asks for the display info.
  uint64_t Request() {
    const uint64_t addr = vm().ram().Allocate(4096, 4096);
    const virtio_gpu_ctrl_hdr hdr = Header(VIRTIO_GPU_CMD_GET_DISPLAY_INFO);
    std::memcpy(vm().ram().At(addr, sizeof(hdr)).data(), &hdr, sizeof(hdr));
    return addr;
  }
  uint64_t Response() { return vm().ram().Allocate(4096, 4096); }
  void Set(uint16_t index, const virtq_desc& desc) { queue().descriptor(index) = desc; }
  // An indirect table in guest memory.
  uint64_t TableOf(const std::vector<virtq_desc>& entries) {
    const uint64_t addr = vm().ram().Allocate(entries.size() * sizeof(virtq_desc), 4096);
    const auto bytes = std::as_bytes(std::span(entries));
    std::memcpy(vm().ram().At(addr, bytes.size()).data(), bytes.data(), bytes.size());
    return addr;
  }
  // The chain at descriptor 0 is one that no device can follow.
  void ExpectBadChain() {
    ExpectCounted(StatsError::kBadDescriptor, [&] { queue().PublishHead(0); });
    ExpectRingStopsAndResetHelps();
  }
  static constexpr uint16_t kNext = VIRTQ_DESC_F_NEXT, kWrite = VIRTQ_DESC_F_WRITE,
                            kIndirect = VIRTQ_DESC_F_INDIRECT;
};

TEST_F(Virtqueue, HeadBeyondTheTable) {
  ExpectCounted(StatsError::kBadDescriptor, [&] { queue().PublishHead(queue().options().size); });
  ExpectRingStopsAndResetHelps();
}

TEST_F(Virtqueue, HeadOfAllOnes) {
  ExpectCounted(StatsError::kBadDescriptor, [&] { queue().PublishHead(0xffff); });
  ExpectRingStopsAndResetHelps();
}

TEST_F(Virtqueue, AvailableIndexFartherAheadThanTheRingIsLong) {
  ExpectCounted(StatsError::kBadDescriptor, [&] {
    queue().SetAvailIndex(static_cast<uint16_t>(queue().options().size + 1));
    queue().Kick();
  });
  ExpectRingStopsAndResetHelps();
}

TEST_F(Virtqueue, AvailableIndexThatGoesBack) {
  ExpectAlive();
  ExpectCounted(StatsError::kBadDescriptor, [&] {
    queue().SetAvailIndex(0);
    queue().Kick();
  });
  ExpectRingStopsAndResetHelps();
}

TEST_F(Virtqueue, DescriptorThatIsItsOwnNext) {
  Set(0, {Request(), 24, kNext, 0});
  ExpectBadChain();
}

TEST_F(Virtqueue, LoopOfTwoDescriptors) {
  Set(0, {Request(), 24, kNext, 1});
  Set(1, {Request(), 24, kNext, 0});
  ExpectBadChain();
}

TEST_F(Virtqueue, NextBeyondTheTable) {
  Set(0, {Request(), 24, kNext, 0xffff});
  ExpectBadChain();
}

TEST_F(Virtqueue, AddressOutsideGuestMemory) {
  Set(0, {uint64_t{1} << 40, 24, kNext, 1});
  Set(1, {Response(), 4096, kWrite, 0});
  ExpectBadChain();
}

TEST_F(Virtqueue, AddressThatWraps) {
  Set(0, {kMax - 8, 24, kNext, 1});
  Set(1, {Response(), 4096, kWrite, 0});
  ExpectBadChain();
}

TEST_F(Virtqueue, ResponseOutsideGuestMemory) {
  Set(0, {Request(), 24, kNext, 1});
  Set(1, {kMax, 1, kWrite, 0});
  ExpectBadChain();
}

TEST_F(Virtqueue, BufferOverTheEndOfARegion) {
  Set(0, {(uint64_t{1} << 20) - 12, 24, kNext, 1});  // the first region ends at 1 MiB
  Set(1, {Response(), 4096, kWrite, 0});
  ExpectBadChain();
}

TEST_F(Virtqueue, LengthOfAllOnes) {
  Set(0, {Request(), 0xffffffff, kNext, 1});
  Set(1, {Response(), 4096, kWrite, 0});
  ExpectBadChain();
}

TEST_F(Virtqueue, ReadableAfterWritable) {
  Set(0, {Response(), 4096, kNext | kWrite, 1});
  Set(1, {Request(), 24, 0, 0});
  ExpectBadChain();
}

TEST_F(Virtqueue, IndirectTableInAnIndirectTable) {
  const uint64_t inner = TableOf({{Request(), 24, 0, 0}});
  Set(0, {TableOf({{inner, 16, kIndirect, 0}}), 16, kIndirect, 0});
  ExpectBadChain();
}

TEST_F(Virtqueue, IndirectDescriptorWithANext) {
  Set(0, {TableOf({{Request(), 24, 0, 0}}), 16, kIndirect | kNext, 1});
  Set(1, {Response(), 4096, kWrite, 0});
  ExpectBadChain();
}

TEST_F(Virtqueue, IndirectTableOfNoBytes) {
  Set(0, {TableOf({{Request(), 24, 0, 0}}), 0, kIndirect, 0});
  ExpectBadChain();
}

TEST_F(Virtqueue, IndirectTableOfHalfADescriptor) {
  Set(0, {TableOf({{Request(), 24, 0, 0}}), 24, kIndirect, 0});
  ExpectBadChain();
}

TEST_F(Virtqueue, IndirectTableOfFourGigabytes) {
  Set(0, {TableOf({{Request(), 24, 0, 0}}), 0xfffffff0, kIndirect, 0});
  ExpectBadChain();
}

TEST_F(Virtqueue, IndirectTableOutsideGuestMemory) {
  Set(0, {uint64_t{1} << 40, 32, kIndirect, 0});
  ExpectBadChain();
}

TEST_F(Virtqueue, NextBeyondTheIndirectTable) {
  Set(0, {TableOf({{Request(), 24, kNext, 7}}), 16, kIndirect, 0});
  ExpectBadChain();
}

TEST_F(Virtqueue, LoopInAnIndirectTable) {
  Set(0, {TableOf({{Request(), 24, kNext, 1}, {Request(), 24, kNext, 0}}), 32, kIndirect, 0});
  ExpectBadChain();
}

TEST_F(Virtqueue, ManyLongBuffersInOneChain) {
  const uint64_t big = vm().ram().Allocate(16 << 20, 4096);
  std::vector<virtq_desc> entries;
  for (uint16_t i = 0; i < 32; ++i) {
    entries.push_back({big, 16 << 20, kNext, static_cast<uint16_t>(i + 1)});
  }
  entries.push_back({Response(), 4096, kWrite, 0});
  Set(0, {TableOf(entries), static_cast<uint32_t>(entries.size() * 16), kIndirect, 0});
  ExpectAnyCounted([&] { queue().PublishHead(0); });
  ExpectRingStopsAndResetHelps();
}

TEST_F(Virtqueue, ABrokenControlRingLeavesTheCursorRingAlone) {
  ExpectCounted(StatsError::kBadDescriptor, [&] { queue().PublishHead(0xffff); });
  EXPECT_TRUE(vm().cursor().Call(MoveCursor(0, 5, 6)).ok());
}

TEST_F(Virtqueue, ABrokenRingSignalsItsErrorDescriptor) {
  ExpectCounted(StatsError::kBadDescriptor, [&] { queue().PublishHead(0xffff); });
  // It is counted before it is signalled.
  pollfd signalled{queue().error_fd(), POLLIN, 0};
  constexpr std::chrono::milliseconds kTimeout = GpuDriver::kTimeout;
  EXPECT_EQ(::poll(&signalled, 1, static_cast<int>(kTimeout.count())), 1);
  EXPECT_TRUE(queue().TakeError());
}

TEST_F(Virtqueue, RequestWithoutRoomForAnAnswerIsGivenBack) {
  Set(0, {Request(), 24, 0, 0});
  queue().PublishHead(0);
  ASSERT_TRUE(queue().WaitUsed(GpuDriver::kTimeout));
  EXPECT_EQ(queue().Take()->written, 0U);
  ASSERT_TRUE(vm().Reset().ok());
  ExpectAlive();
}

TEST_F(Virtqueue, AnswerIsNeverLongerThanItsRoom) {
  const uint64_t response = Response();
  std::memset(vm().ram().At(response, 64).data(), 0x5a, 64);
  Set(0, {Request(), 24, kNext, 1});
  Set(1, {response, 8, kWrite, 0});
  queue().PublishHead(0);
  ASSERT_TRUE(queue().WaitUsed(GpuDriver::kTimeout));
  EXPECT_LE(queue().Take()->written, 8U);
  EXPECT_EQ(std::to_integer<int>(vm().ram().At(response + 8, 1)[0]), 0x5a);
  ASSERT_TRUE(vm().Reset().ok());
  ExpectAlive();
}

TEST_F(Virtqueue, RequestInSingleBytesIsARequest) {
  const uint64_t request = Request();
  std::vector<virtq_desc> entries;
  for (uint16_t i = 0; i < 24; ++i) {
    entries.push_back({request + i, 1, kNext, static_cast<uint16_t>(i + 1)});
  }
  const uint64_t response = Response();
  entries.push_back({response, 4096, kWrite, 0});
  Set(0, {TableOf(entries), static_cast<uint32_t>(entries.size() * 16), kIndirect, 0});
  queue().PublishHead(0);
  ASSERT_TRUE(queue().WaitUsed(GpuDriver::kTimeout));
  uint32_t type = 0;
  std::memcpy(&type, vm().ram().At(response, 4).data(), 4);
  EXPECT_EQ(type, VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
}

TEST_F(Virtqueue, AChainMayLieInSeveralRegions) {
  // The header's first half in the low region, its second above 4 GiB, the answer in both.
  const virtio_gpu_ctrl_hdr hdr = Header(VIRTIO_GPU_CMD_GET_DISPLAY_INFO);
  const auto bytes = BytesOf(hdr);
  constexpr uint64_t kLow = (uint64_t{1} << 20) - 12, kLowAnswer = 4096;
  const uint64_t high = Response(), answer = Response();
  std::memcpy(vm().ram().At(kLow, 12).data(), bytes.data(), 12);
  std::memcpy(vm().ram().At(high, 12).data(), bytes.data() + 12, 12);
  Set(0, {kLow, 12, kNext, 1});
  Set(1, {high, 12, kNext, 2});
  Set(2, {kLowAnswer, 16, kNext | kWrite, 3});
  Set(3, {answer, 4096, kWrite, 0});
  queue().PublishHead(0);
  ASSERT_TRUE(queue().WaitUsed(GpuDriver::kTimeout));
  EXPECT_EQ(queue().Take()->written, sizeof(virtio_gpu_resp_display_info));
  uint32_t type = 0, enabled = 0;
  std::memcpy(&type, vm().ram().At(kLowAnswer, 4).data(), 4);
  EXPECT_EQ(type, VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
  constexpr size_t kEnabledAt = sizeof(hdr) + sizeof(virtio_gpu_rect) - 16;
  std::memcpy(&enabled, vm().ram().At(answer + kEnabledAt, 4).data(), 4);
  EXPECT_EQ(enabled, 1U);
}

TEST_F(Virtqueue, EmptyBuffersBetweenDoNoHarm) {
  Set(0, {Request(), 24, kNext, 1});
  Set(1, {Request(), 0, kNext, 2});
  Set(2, {Response(), 4096, kWrite, 0});
  queue().PublishHead(0);
  queue().WaitUsed(std::chrono::milliseconds(200));
  ASSERT_TRUE(vm().Reset().ok());
  ExpectAlive();
}

TEST_F(Virtqueue, FullRingIsAnsweredToTheLast) {
  const uint32_t count = gpu().capacity();
  for (uint32_t i = 0; i < count; ++i) {
    ASSERT_TRUE(gpu().Post(Header(VIRTIO_GPU_CMD_GET_DISPLAY_INFO)).has_value());
  }
  gpu().Publish();
  for (uint32_t i = 0; i < count; ++i) ASSERT_TRUE(gpu().WaitSlot().has_value());
  ExpectAlive();
}

TEST_F(Virtqueue, IndicesWrapAfter65536Requests) {
  for (int round = 0; round < 70'000 / 64; ++round) {
    for (int i = 0; i < 64; ++i) ASSERT_TRUE(gpu().Post(ResourceUnref(77)).has_value());
    gpu().Publish();
    for (int i = 0; i < 64; ++i) ASSERT_TRUE(gpu().WaitSlot().has_value());
  }
  ExpectAlive();
}

}  // namespace
}  // namespace rendercar::frontend
