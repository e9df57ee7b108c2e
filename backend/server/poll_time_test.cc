// The time to look at the rings: grows while that pays, and ends.
// SPDX-License-Identifier: Apache-2.0
#include "backend/server/poll_time.h"

#include <gtest/gtest.h>

namespace rendercar::server {
namespace {

using std::chrono::microseconds;

PollTime AfterSleeps(int count, PollTime::Nanoseconds slept) {
  PollTime time;
  for (int i = 0; i < count; ++i) time.Learn(slept);
  return time;
}

TEST(PollTimeTest, nobody_looks_before_it_has_paid) {
  EXPECT_EQ(PollTime().get(), PollTime::Nanoseconds(0));
  EXPECT_EQ(AfterSleeps(10, microseconds(500)).get(), PollTime::Nanoseconds(0));
}

TEST(PollTimeTest, short_sleeps_make_the_look_as_long_as_a_wake_up_and_no_longer) {
  EXPECT_EQ(AfterSleeps(1, microseconds(20)).get(), PollTime::kFirst);
  EXPECT_EQ(AfterSleeps(10, microseconds(20)).get(), PollTime::kLongest);
}

TEST(PollTimeTest, one_short_sleep_more_never_makes_the_look_shorter) {
  for (int count = 0; count < 10; ++count)
    EXPECT_LE(AfterSleeps(count, microseconds(20)).get(),
              AfterSleeps(count + 1, microseconds(20)).get());
}

TEST(PollTimeTest, long_sleeps_end_it_soon) {
  PollTime time = AfterSleeps(10, microseconds(20));
  for (int i = 0; i < 8; ++i) time.Learn(microseconds(8000));
  EXPECT_LT(time.get(), microseconds(1));
}

}  // namespace
}  // namespace rendercar::server
