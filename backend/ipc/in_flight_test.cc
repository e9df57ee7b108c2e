// The table of what is in flight, against a renderer that lies.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/in_flight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rendercar::ipc {
namespace {

using gpu::Completion;
using testing::ElementsAre;

TEST(InFlightTest, a_token_comes_back_once) {
  InFlight table;
  const uint64_t seq = table.Add(77, 1, Completion::kExecuted, 32);
  EXPECT_EQ(table.Complete(seq), 77u);
  EXPECT_EQ(table.Complete(seq), std::nullopt);
}

TEST(InFlightTest, what_was_never_sent_does_not_complete) {
  InFlight table;
  table.Add(77, 1, Completion::kExecuted, 32);
  EXPECT_EQ(table.Complete(0), std::nullopt);
  EXPECT_EQ(table.Complete(2), std::nullopt);
  EXPECT_EQ(table.Complete(~uint64_t{0}), std::nullopt);
}

TEST(InFlightTest, what_wants_no_completion_gets_none) {
  InFlight table;
  const uint64_t seq = table.Add(77, 1, Completion::kNone, 32);
  EXPECT_EQ(table.Complete(seq), std::nullopt);
}

TEST(InFlightTest, fences_complete_in_order_and_other_commands_as_they_like) {
  InFlight table;
  const uint64_t fence1 = table.Add(1, 1, Completion::kFenced, 32);
  const uint64_t plain = table.Add(2, 1, Completion::kExecuted, 64);
  const uint64_t fence2 = table.Add(3, 1, Completion::kFenced, 96);
  EXPECT_EQ(table.Complete(plain), 2u);
  EXPECT_EQ(table.Complete(fence2), 3u);
  EXPECT_EQ(table.Complete(fence1), std::nullopt);
}

TEST(InFlightTest, it_is_idle_when_all_is_consumed_and_complete) {
  InFlight table;
  const uint64_t seq = table.Add(1, 1, Completion::kFenced, 32);
  table.Add(0, 1, Completion::kNone, 64);
  table.Complete(seq);
  EXPECT_FALSE(table.idle());
  table.Advance(64);
  EXPECT_TRUE(table.idle());
}

TEST(InFlightTest, the_context_of_a_record_is_known_while_it_is_in_flight) {
  InFlight table;
  const uint64_t seq = table.Add(1, 9, Completion::kExecuted, 32);
  EXPECT_EQ(table.ContextOf(seq), 9u);
  EXPECT_EQ(table.ContextOf(seq + 1), 0u);
  EXPECT_EQ(table.OldestContext(), 9u);
}

TEST(InFlightTest, a_death_gives_back_all_that_is_awaited_in_order) {
  InFlight table;
  table.Add(1, 1, Completion::kExecuted, 32);
  table.Add(2, 1, Completion::kNone, 64);
  table.Add(3, 1, Completion::kFenced, 96);
  EXPECT_THAT(table.TakeAwaited(), ElementsAre(1, 3));
  EXPECT_TRUE(table.idle());
  EXPECT_EQ(table.Complete(1), std::nullopt);
}

TEST(InFlightTest, it_is_full_at_its_bound) {
  InFlight table;
  for (size_t i = 0; i < InFlight::kMaxAwaited; ++i) table.Add(i, 1, Completion::kExecuted, 32);
  EXPECT_TRUE(table.full());
}

}  // namespace
}  // namespace rendercar::ipc
