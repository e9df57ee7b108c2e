// The fake loop keeps the promises that tests of other modules build on.
// SPDX-License-Identifier: Apache-2.0
#include "common/fake_loop.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>

#include <vector>

namespace rendercar {
namespace {

using std::chrono_literals::operator""ms;

TEST(FakeLoopTest, time_stands_still_until_it_is_advanced) {
  FakeLoop loop;
  std::vector<int> order;
  loop.PostAfter(10ms, [&] { order.push_back(2); });
  loop.PostAfter(5ms, [&] { order.push_back(1); });
  loop.Advance(9ms);
  EXPECT_EQ(order, (std::vector<int>{1}));
  loop.Advance(1ms);
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(FakeLoopTest, fires_only_the_events_that_are_watched) {
  FakeLoop loop;
  int calls = 0;
  loop.Watch(7, EPOLLIN, [&](uint32_t) { ++calls; });
  EXPECT_FALSE(loop.Fire(7, EPOLLOUT));
  EXPECT_TRUE(loop.Fire(7, EPOLLIN));
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace rendercar
