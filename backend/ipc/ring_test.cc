// The ring between the two processes, both ends.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/ring.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

namespace rendercar::ipc {
namespace {

struct Ends {
  explicit Ends(size_t bytes)
      : fd(*CreateRingMemory("test", bytes)),
        producer(*RingMemory::Map(fd.get(), Mapping::Access::kReadWrite)),
        consumer(*RingMemory::Map(fd.get(), Mapping::Access::kReadOnly)) {}
  UniqueFd fd;
  RingProducer producer;
  RingConsumer consumer;
};

bool PutNumber(RingProducer& producer, uint64_t value) {
  if (!producer.Refresh()) return false;
  const auto room = producer.Reserve(sizeof(value));
  if (room.empty()) return false;
  std::memcpy(room.data(), &value, sizeof(value));
  producer.Commit(sizeof(value));
  return true;
}

uint64_t TakeNumber(RingConsumer& consumer) {
  uint64_t value = 0;
  std::memcpy(&value, consumer.Peek()->data(), sizeof(value));
  consumer.Consume(sizeof(value));
  return value;
}

TEST(RingTest, what_is_written_is_read) {
  Ends ends(4096);
  ASSERT_TRUE(PutNumber(ends.producer, 42));
  EXPECT_EQ(TakeNumber(ends.consumer), 42u);
  EXPECT_TRUE(ends.consumer.empty());
}

TEST(RingTest, a_record_across_the_end_stays_in_one_piece) {
  Ends ends(4096);
  ends.producer.Commit(4000);
  ends.consumer.Consume(4000);
  ASSERT_TRUE(ends.producer.Refresh());
  const auto room = ends.producer.Reserve(200);
  ASSERT_EQ(room.size(), 200u);
  std::memset(room.data(), 7, room.size());
  ends.producer.Commit(200);
  const auto readable = ends.consumer.Peek();
  ASSERT_EQ(readable->size(), 200u);
  for (const std::byte b : *readable) EXPECT_EQ(b, std::byte{7});
}

TEST(RingTest, a_full_ring_takes_nothing_until_something_is_consumed) {
  Ends ends(4096);
  for (int i = 0; i < 512; ++i) ASSERT_TRUE(PutNumber(ends.producer, 1));
  EXPECT_FALSE(PutNumber(ends.producer, 2));
  TakeNumber(ends.consumer);
  EXPECT_TRUE(PutNumber(ends.producer, 3));
}

TEST(RingTest, a_consumer_that_claims_more_than_was_written_is_found_out) {
  Ends ends(4096);
  PutNumber(ends.producer, 1);
  ends.consumer.indexes().head.store(16);
  EXPECT_FALSE(ends.producer.Refresh());
}

TEST(RingTest, a_consumer_that_goes_back_is_found_out) {
  Ends ends(4096);
  PutNumber(ends.producer, 1);
  TakeNumber(ends.consumer);
  ASSERT_TRUE(ends.producer.Refresh());
  ends.consumer.indexes().head.store(0);
  EXPECT_FALSE(ends.producer.Refresh());
}

TEST(RingTest, a_producer_that_claims_more_than_fits_is_found_out) {
  Ends ends(4096);
  ends.producer.indexes().tail.store(4097);
  EXPECT_FALSE(ends.consumer.Peek().has_value());
}

TEST(RingTest, memory_of_a_wrong_size_is_refused) {
  const auto fd = CreateSealedMemory("test", 4 * 4096);
  EXPECT_FALSE(RingMemory::Map(fd->get(), Mapping::Access::kReadWrite).ok());
}

TEST(RingTest, only_a_sleeper_needs_waking_and_only_once) {
  Ends ends(4096);
  EXPECT_FALSE(ends.producer.TakeSleeper());
  ASSERT_TRUE(ends.consumer.PrepareSleep());
  PutNumber(ends.producer, 1);
  EXPECT_TRUE(ends.producer.TakeSleeper());
  EXPECT_FALSE(ends.producer.TakeSleeper());
}

TEST(RingTest, nobody_goes_to_sleep_on_a_ring_with_something_in_it) {
  Ends ends(4096);
  PutNumber(ends.producer, 1);
  EXPECT_FALSE(ends.consumer.PrepareSleep());
  EXPECT_FALSE(ends.producer.TakeSleeper());
}

TEST(RingTest, a_producer_that_waits_is_told_when_half_is_free) {
  Ends ends(4096);
  ends.producer.Commit(4096);
  ends.producer.indexes().producer_waits.store(1);
  ends.consumer.Consume(1024);
  EXPECT_FALSE(ends.consumer.TakeWaiter());
  ends.consumer.Consume(1024);
  EXPECT_TRUE(ends.consumer.TakeWaiter());
  EXPECT_FALSE(ends.consumer.TakeWaiter());
}

TEST(RingTest, a_hundred_thousand_numbers_arrive_in_order_from_another_thread) {
  Ends ends(4096);
  constexpr uint64_t kCount = 100'000;
  std::thread writer([&] {
    for (uint64_t i = 0; i < kCount;) i += PutNumber(ends.producer, i) ? 1 : 0;
  });
  uint64_t next = 0;
  bool in_order = true;
  while (next < kCount) {
    if (ends.consumer.empty()) continue;
    in_order = in_order && TakeNumber(ends.consumer) == next;
    ++next;
  }
  writer.join();
  EXPECT_TRUE(in_order);
}

}  // namespace
}  // namespace rendercar::ipc
