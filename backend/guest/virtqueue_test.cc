// The split virtqueue: requests come out as the driver put them in, and nothing that a driver
// writes gets further than an error.
// SPDX-License-Identifier: Apache-2.0
#include "backend/guest/virtqueue.h"

#define VIRTIO_RING_NO_LEGACY
#include <gtest/gtest.h>
#include <linux/virtio_ring.h>

#include <cstring>
#include <limits>

#include "backend/guest/fake_guest.h"

namespace rendercar::guest {
namespace {

constexpr uint64_t kRing = FakeGuestMemory::kGuestBase;
constexpr uint64_t kData = kRing + 0x20000;
constexpr uint64_t kTable = kRing + 0x30000;
constexpr uint32_t kSize = 16;

class VirtqueueTest : public testing::Test {
 protected:
  Virtqueue MakeQueue(Virtqueue::Config config) {
    auto queue = Virtqueue::Create(config, memory_.Map());
    RC_CHECK(queue.ok(), "the test's ring is right");
    return *std::move(queue);
  }
  Virtqueue MakeQueue() { return MakeQueue(driver_.config()); }
  DescriptorChain PopOne(Virtqueue& queue) {
    auto chain = queue.Pop();
    EXPECT_TRUE(chain.ok()) << chain.status();
    EXPECT_TRUE(chain->has_value());
    return **std::move(chain);
  }
  // The error that the next Pop gives, as text; empty when it gives none.
  std::string PopError() {
    auto queue = MakeQueue();
    return std::string(queue.Pop().status().message());
  }
  void AddRequest() { driver_.Add(std::vector<FakeBuffer>{{kData, 32}, {kData + 64, 16, true}}); }

  FakeGuestMemory memory_;
  FakeDriver driver_{memory_, kRing, kSize};
};

TEST_F(VirtqueueTest, an_empty_ring_has_no_request) {
  auto queue = MakeQueue();
  const auto chain = queue.Pop();
  ASSERT_TRUE(chain.ok());
  EXPECT_FALSE(chain->has_value());
  EXPECT_FALSE(queue.PublishUsed());
}

TEST_F(VirtqueueTest, a_request_comes_out_with_its_bytes) {
  memory_.Write<uint64_t>(kData, 0x1122334455667788);
  AddRequest();
  auto queue = MakeQueue();
  const DescriptorChain chain = PopOne(queue);
  EXPECT_EQ(chain.readable_bytes, 32u);
  EXPECT_EQ(chain.writable_bytes, 16u);
  uint64_t value = 0;
  EXPECT_EQ(CopyFrom(chain, 0, std::as_writable_bytes(std::span(&value, 1))), 8u);
  EXPECT_EQ(value, 0x1122334455667788u);
  EXPECT_EQ(queue.in_flight(), 1u);
  EXPECT_EQ(queue.last_avail_index(), 1u);
}

TEST_F(VirtqueueTest, an_answer_reaches_the_driver_when_it_is_published) {
  AddRequest();
  auto queue = MakeQueue();
  const DescriptorChain chain = PopOne(queue);
  const uint32_t answer = 0xabcd;
  EXPECT_EQ(CopyTo(chain, std::as_bytes(std::span(&answer, 1))), 4u);
  queue.Push(chain.head, 4);
  EXPECT_FALSE(driver_.TakeUsed().has_value());
  EXPECT_TRUE(queue.PublishUsed());
  const auto used = driver_.TakeUsed();
  ASSERT_TRUE(used.has_value());
  EXPECT_EQ(used->id, chain.head);
  EXPECT_EQ(used->len, 4u);
  EXPECT_EQ(memory_.Read<uint32_t>(kData + 64), answer);
  EXPECT_EQ(queue.in_flight(), 0u);
}

TEST_F(VirtqueueTest, a_batch_is_published_with_one_notification) {
  auto queue = MakeQueue();
  for (int i = 0; i < 4; ++i) AddRequest();
  for (int i = 0; i < 4; ++i) queue.Push(PopOne(queue).head, 0);
  EXPECT_TRUE(queue.PublishUsed());
  EXPECT_FALSE(queue.PublishUsed());
  EXPECT_EQ(driver_.UsedIndex(), 4u);
}

TEST_F(VirtqueueTest, with_event_idx_the_driver_is_notified_only_at_its_event) {
  auto queue = MakeQueue();
  AddRequest();
  queue.Push(PopOne(queue).head, 0);
  EXPECT_TRUE(queue.PublishUsed());  // the first, always
  driver_.SetUsedEvent(2);
  AddRequest();
  queue.Push(PopOne(queue).head, 0);
  EXPECT_FALSE(queue.PublishUsed());
  AddRequest();
  queue.Push(PopOne(queue).head, 0);
  EXPECT_TRUE(queue.PublishUsed());
}

TEST_F(VirtqueueTest, without_event_idx_the_flag_suppresses_notifications) {
  auto config = driver_.config();
  config.event_idx = false;
  auto queue = MakeQueue(config);
  AddRequest();
  queue.Push(PopOne(queue).head, 0);
  EXPECT_TRUE(queue.PublishUsed());
  driver_.SetAvailFlags(VRING_AVAIL_F_NO_INTERRUPT);
  AddRequest();
  queue.Push(PopOne(queue).head, 0);
  EXPECT_FALSE(queue.PublishUsed());
}

TEST_F(VirtqueueTest, kicks_are_asked_for_at_the_next_request) {
  auto queue = MakeQueue();
  AddRequest();
  queue.Push(PopOne(queue).head, 0);
  EXPECT_FALSE(queue.EnableKicks());
  EXPECT_EQ(driver_.AvailEvent(), 1u);
  AddRequest();
  EXPECT_TRUE(queue.EnableKicks());
  EXPECT_TRUE(queue.HasRequests());
}

TEST_F(VirtqueueTest, without_event_idx_the_flag_asks_for_kicks) {
  auto config = driver_.config();
  config.event_idx = false;
  auto queue = MakeQueue(config);
  queue.DisableKicks();
  EXPECT_EQ(driver_.UsedFlags(), VRING_USED_F_NO_NOTIFY);
  EXPECT_FALSE(queue.EnableKicks());
  EXPECT_EQ(driver_.UsedFlags(), 0);
}

TEST_F(VirtqueueTest, indexes_wrap_around_after_65536_requests) {
  driver_.SetAvailIndex(65530);
  driver_.SetUsedIndex(65530);
  auto config = driver_.config();
  config.last_avail_index = 65530;
  auto queue = MakeQueue(config);
  for (int i = 0; i < 20; ++i) {
    AddRequest();
    queue.Push(PopOne(queue).head, static_cast<uint32_t>(i));
    driver_.SetUsedEvent(static_cast<uint16_t>(65530 + i));
    EXPECT_TRUE(queue.PublishUsed()) << i;
    EXPECT_EQ(driver_.TakeUsed()->len, static_cast<uint32_t>(i));
    EXPECT_FALSE(queue.EnableKicks());
  }
  EXPECT_EQ(queue.last_avail_index(), uint16_t(65530 + 20));
  EXPECT_EQ(driver_.UsedIndex(), uint16_t(65530 + 20));
}

TEST_F(VirtqueueTest, a_full_ring_is_no_error) {
  for (uint32_t i = 0; i < kSize; ++i) driver_.Add(std::vector<FakeBuffer>{{kData, 8}});
  auto queue = MakeQueue();
  for (uint32_t i = 0; i < kSize; ++i) PopOne(queue);
  EXPECT_EQ(queue.in_flight(), kSize);
}

TEST_F(VirtqueueTest, an_indirect_table_is_walked) {
  driver_.AddIndirect(std::vector<FakeBuffer>{{kData, 8}, {kData + 8, 8}, {kData + 64, 24, true}},
                      kTable);
  auto queue = MakeQueue();
  const DescriptorChain chain = PopOne(queue);
  EXPECT_EQ(chain.readable.size(), 2u);
  EXPECT_EQ(chain.writable_bytes, 24u);
}

TEST_F(VirtqueueTest, an_indirect_table_may_be_longer_than_the_queue) {
  driver_.AddIndirect(std::vector<FakeBuffer>(300, {kData, 8}), kTable);
  auto queue = MakeQueue();
  EXPECT_EQ(PopOne(queue).readable.size(), 300u);
}

TEST_F(VirtqueueTest, an_indirect_table_may_lie_unaligned) {
  driver_.AddIndirect(std::vector<FakeBuffer>{{kData, 8}}, kTable + 3);
  auto queue = MakeQueue();
  EXPECT_EQ(PopOne(queue).readable_bytes, 8u);
}

TEST_F(VirtqueueTest, the_write_flag_of_an_indirect_descriptor_is_ignored) {
  driver_.AddIndirect(std::vector<FakeBuffer>{{kData, 8}}, kTable);
  driver_.WriteDescriptor(0, kTable, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 0);
  auto queue = MakeQueue();
  EXPECT_EQ(PopOne(queue).readable_bytes, 8u);
}

TEST_F(VirtqueueTest, a_buffer_of_no_bytes_is_skipped) {
  driver_.Add(std::vector<FakeBuffer>{{0, 0}, {kData, 8}});
  auto queue = MakeQueue();
  EXPECT_EQ(PopOne(queue).readable.size(), 1u);
}

TEST_F(VirtqueueTest, copying_starts_at_any_offset_and_stops_at_the_end) {
  for (uint8_t i = 0; i < 24; ++i) memory_.Write<uint8_t>(kData + i, i);
  driver_.Add(std::vector<FakeBuffer>{{kData, 8}, {kData + 8, 16}});
  auto queue = MakeQueue();
  const DescriptorChain chain = PopOne(queue);
  std::array<std::byte, 64> out{};
  EXPECT_EQ(CopyFrom(chain, 6, std::span(out).first(4)), 4u);
  EXPECT_EQ(out[0], std::byte{6});
  EXPECT_EQ(out[3], std::byte{9});
  EXPECT_EQ(CopyFrom(chain, 20, out), 4u);
  EXPECT_EQ(CopyFrom(chain, 24, out), 0u);
  EXPECT_EQ(CopyFrom(chain, 0, {}), 0u);
  EXPECT_EQ(CopyFrom(chain, std::numeric_limits<size_t>::max(), out), 0u);
}

TEST_F(VirtqueueTest, an_index_that_is_ahead_by_more_than_the_size_is_refused) {
  driver_.SetAvailIndex(kSize + 1);
  EXPECT_EQ(PopError(), "the available index is ahead by 17, the queue size is 16");
}

TEST_F(VirtqueueTest, an_index_that_goes_back_is_refused) {
  driver_.SetAvailIndex(65535);
  EXPECT_NE(PopError(), "");
}

TEST_F(VirtqueueTest, more_requests_than_descriptors_are_refused) {
  auto queue = MakeQueue();
  for (uint32_t i = 0; i < kSize; ++i) {
    AddRequest();
    PopOne(queue);
  }
  AddRequest();
  EXPECT_FALSE(queue.Pop().ok());
}

TEST_F(VirtqueueTest, a_head_out_of_range_is_refused) {
  driver_.MakeAvailable(kSize);
  EXPECT_NE(PopError(), "");
}

TEST_F(VirtqueueTest, a_next_descriptor_out_of_range_is_refused) {
  driver_.WriteDescriptor(0, kData, 8, VRING_DESC_F_NEXT, kSize);
  driver_.MakeAvailable(0);
  EXPECT_NE(PopError(), "");
}

TEST_F(VirtqueueTest, a_loop_is_refused) {
  driver_.WriteDescriptor(0, kData, 8, VRING_DESC_F_NEXT, 1);
  driver_.WriteDescriptor(1, kData, 8, VRING_DESC_F_NEXT, 0);
  driver_.MakeAvailable(0);
  EXPECT_EQ(PopError(), "a chain of descriptors that loops");
}

TEST_F(VirtqueueTest, a_loop_in_an_indirect_table_is_refused) {
  memory_.Write(kTable, vring_desc{kData, 8, VRING_DESC_F_NEXT, 0});
  driver_.WriteDescriptor(0, kTable, 16, VRING_DESC_F_INDIRECT, 0);
  driver_.MakeAvailable(0);
  EXPECT_EQ(PopError(), "an indirect chain of descriptors that loops");
}

TEST_F(VirtqueueTest, an_indirect_table_in_an_indirect_table_is_refused) {
  memory_.Write(kTable, vring_desc{kTable, 16, VRING_DESC_F_INDIRECT, 0});
  driver_.WriteDescriptor(0, kTable, 16, VRING_DESC_F_INDIRECT, 0);
  driver_.MakeAvailable(0);
  EXPECT_EQ(PopError(), "an indirect table inside an indirect table");
}

TEST_F(VirtqueueTest, an_indirect_descriptor_with_a_next_one_is_refused) {
  driver_.WriteDescriptor(0, kTable, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1);
  driver_.MakeAvailable(0);
  EXPECT_NE(PopError(), "");
}

TEST_F(VirtqueueTest, an_indirect_descriptor_that_was_not_negotiated_is_refused) {
  driver_.AddIndirect(std::vector<FakeBuffer>{{kData, 8}}, kTable);
  auto config = driver_.config();
  config.indirect_desc = false;
  auto queue = MakeQueue(config);
  EXPECT_FALSE(queue.Pop().ok());
}

TEST_F(VirtqueueTest, indirect_tables_of_impossible_lengths_are_refused) {
  for (const uint32_t len : {0u, 15u, 17u, 16u * 1025u, 0xfffffff0u, 0xffffffffu}) {
    driver_.SetAvailIndex(0);
    driver_.WriteDescriptor(0, kTable, len, VRING_DESC_F_INDIRECT, 0);
    driver_.MakeAvailable(0);
    EXPECT_NE(PopError(), "") << len;
  }
}

TEST_F(VirtqueueTest, an_indirect_table_outside_guest_memory_is_refused) {
  driver_.WriteDescriptor(0, 16, 32, VRING_DESC_F_INDIRECT, 0);
  driver_.MakeAvailable(0);
  EXPECT_NE(PopError(), "");
}

TEST_F(VirtqueueTest, buffers_outside_guest_memory_are_refused) {
  constexpr uint64_t kEnd = kRing + (1u << 20);
  for (const auto& [addr, len] :
       std::vector<std::pair<uint64_t, uint32_t>>{{0, 8},
                                                  {kEnd, 1},
                                                  {kEnd - 4, 8},
                                                  {kRing - 4, 8},
                                                  {std::numeric_limits<uint64_t>::max() - 3, 8},
                                                  {kData, 0xffffffffu}}) {
    driver_.SetAvailIndex(0);
    driver_.WriteDescriptor(0, addr, len, 0, 0);
    driver_.MakeAvailable(0);
    EXPECT_NE(PopError(), "") << addr;
  }
}

TEST_F(VirtqueueTest, a_chain_that_is_too_long_in_bytes_is_refused) {
  FakeGuestMemory large({size_t{16} << 20});
  FakeDriver driver(large, kRing, kSize);
  driver.Add(std::vector<FakeBuffer>(5, {kRing, 15u << 20}));
  auto queue = Virtqueue::Create(driver.config(), large.Map());
  ASSERT_TRUE(queue.ok());
  EXPECT_FALSE(queue->Pop().ok());
}

TEST_F(VirtqueueTest, a_readable_buffer_after_a_writable_one_is_refused) {
  driver_.Add(std::vector<FakeBuffer>{{kData, 8, true}, {kData, 8}});
  EXPECT_EQ(PopError(), "a readable buffer after a writable one");
}

TEST_F(VirtqueueTest, a_refused_request_stays_in_the_ring) {
  driver_.WriteDescriptor(0, 0, 8, 0, 0);
  driver_.MakeAvailable(0);
  auto queue = MakeQueue();
  EXPECT_FALSE(queue.Pop().ok());
  EXPECT_FALSE(queue.Pop().ok());
  EXPECT_EQ(queue.last_avail_index(), 0u);
  EXPECT_EQ(queue.in_flight(), 0u);
}

TEST(VirtqueueRegionsTest, a_buffer_across_two_regions_is_split) {
  FakeGuestMemory memory({size_t{1} << 20, 4096});
  FakeDriver driver(memory, kRing, kSize);
  const uint64_t border = kRing + (1u << 20);
  memory.Write<uint8_t>(border - 1, 1);
  memory.Write<uint8_t>(border, 2);
  driver.Add(std::vector<FakeBuffer>{{border - 100, 200}});
  auto queue = Virtqueue::Create(driver.config(), memory.Map());
  ASSERT_TRUE(queue.ok());
  const auto chain = queue->Pop();
  ASSERT_TRUE(chain.ok()) << chain.status();
  EXPECT_EQ((*chain)->readable.size(), 2u);
  std::array<std::byte, 2> out{};
  EXPECT_EQ(CopyFrom(**chain, 99, out), 2u);
  EXPECT_EQ(out[0], std::byte{1});
  EXPECT_EQ(out[1], std::byte{2});
}

TEST(VirtqueueRegionsTest, an_indirect_table_across_two_regions_is_walked) {
  FakeGuestMemory memory({size_t{1} << 20, 4096});
  FakeDriver driver(memory, kRing, kSize);
  const uint64_t border = kRing + (1u << 20);
  const vring_desc first{kData, 8, VRING_DESC_F_NEXT, 1};
  const vring_desc second{kData, 24, 0, 0};
  memory.Write(border - 24, first);
  std::array<std::byte, 16> raw{};
  std::memcpy(raw.data(), &second, 16);
  std::memcpy(memory.At(border - 8, 8), raw.data(), 8);
  std::memcpy(memory.At(border, 8), raw.data() + 8, 8);
  driver.WriteDescriptor(0, border - 24, 32, VRING_DESC_F_INDIRECT, 0);
  driver.MakeAvailable(0);
  auto queue = Virtqueue::Create(driver.config(), memory.Map());
  ASSERT_TRUE(queue.ok());
  const auto chain = queue->Pop();
  ASSERT_TRUE(chain.ok()) << chain.status();
  EXPECT_EQ((*chain)->readable_bytes, 32u);
}

TEST_F(VirtqueueTest, impossible_ring_places_are_refused) {
  const auto refused = [&](auto change) {
    auto config = driver_.config();
    change(config);
    return !Virtqueue::Create(config, memory_.Map()).ok();
  };
  EXPECT_TRUE(refused([](auto& c) { c.size = 0; }));
  EXPECT_TRUE(refused([](auto& c) { c.size = 3; }));
  EXPECT_TRUE(refused([](auto& c) { c.size = 65536; }));
  EXPECT_TRUE(refused([](auto& c) { c.desc_user_addr += 8; }));
  EXPECT_TRUE(refused([](auto& c) { c.avail_user_addr += 1; }));
  EXPECT_TRUE(refused([](auto& c) { c.used_user_addr += 2; }));
  EXPECT_TRUE(refused([](auto& c) { c.desc_user_addr = 0; }));
  EXPECT_TRUE(refused([](auto& c) { c.used_user_addr = ~uint64_t{3}; }));
  EXPECT_TRUE(refused([](auto& c) { c.size = 32768, c.desc_user_addr += 0xf0000; }));
}

}  // namespace
}  // namespace rendercar::guest
