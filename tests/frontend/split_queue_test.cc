// The driver's virtqueue against a few lines that play the device.
// SPDX-License-Identifier: Apache-2.0
#include "tests/frontend/split_queue.h"

#include <gtest/gtest.h>

namespace rendercar::frontend {
namespace {

class SplitQueueTest : public testing::Test {
 protected:
  void Create(const SplitQueue::Options& options) {
    ram_ = *GuestRam::Create({{0, 1 << 20}});
    queue_ = *SplitQueue::Create(&ram_, options);
  }
  // The device: uses `head` with `written` bytes.
  void Use(uint16_t head, uint32_t written) {
    auto* used = reinterpret_cast<virtq_used*>(ram_.At(queue_.used_addr(), 4).data());
    const uint64_t slot = queue_.used_addr() + 4 + used->idx % queue_.options().size * 8;
    *reinterpret_cast<virtq_used_elem*>(ram_.At(slot, 8).data()) = {head, written};
    ++used->idx;
  }

  GuestRam ram_;
  SplitQueue queue_;
  const Buffer request_{0x1000, 24, false};
  const Buffer response_{0x2000, 24, true};
};

TEST_F(SplitQueueTest, ChainsDescriptorsWithoutIndirect) {
  Create({4, true, false});
  const Buffer buffers[] = {request_, response_};
  const std::optional<uint16_t> head = queue_.Add(buffers);
  ASSERT_TRUE(head.has_value());
  const virtq_desc& first = queue_.descriptor(*head);
  EXPECT_EQ(first.addr, 0x1000U);
  EXPECT_EQ(first.flags, VIRTQ_DESC_F_NEXT);
  EXPECT_EQ(queue_.descriptor(first.next).flags, VIRTQ_DESC_F_WRITE);
}

TEST_F(SplitQueueTest, PutsALongRequestIntoAnIndirectTable) {
  Create({4, true, true});
  const Buffer buffers[] = {request_, response_};
  const std::optional<uint16_t> head = queue_.Add(buffers);
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(queue_.descriptor(*head).flags, VIRTQ_DESC_F_INDIRECT);
  EXPECT_EQ(queue_.descriptor(*head).len, 2 * sizeof(virtq_desc));
}

TEST_F(SplitQueueTest, IsFullWhenNoDescriptorIsLeftAndFreeAgainAfterUse) {
  Create({2, true, false});
  const Buffer buffers[] = {request_, response_};
  const std::optional<uint16_t> head = queue_.Add(buffers);
  ASSERT_TRUE(head.has_value());
  EXPECT_FALSE(queue_.Add(buffers).has_value());
  Use(*head, 24);
  EXPECT_EQ(queue_.Take()->written, 24U);
  EXPECT_TRUE(queue_.Add(buffers).has_value());
}

TEST_F(SplitQueueTest, KicksOnlyWhenTheDeviceAskedForIt) {
  Create({4, true, true});
  queue_.Add(std::span(&request_, 1));
  queue_.Publish();
  queue_.Add(std::span(&request_, 1));
  queue_.Publish();
  EXPECT_EQ(queue_.kicks(), 1U);  // avail_event still says 0
}

TEST_F(SplitQueueTest, WaitsNoLongerThanItIsTold) {
  Create({4, true, true});
  EXPECT_FALSE(queue_.WaitUsed(std::chrono::milliseconds(1)));
}

}  // namespace
}  // namespace rendercar::frontend
