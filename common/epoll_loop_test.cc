// The event loop: order, delays, watching, and calls from other threads.
// SPDX-License-Identifier: Apache-2.0
#include "common/epoll_loop.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <thread>
#include <vector>

namespace rendercar {
namespace {

using std::chrono_literals::operator""ms;

void Signal(const UniqueFd& fd) {
  const uint64_t one = 1;
  ASSERT_EQ(::write(fd.get(), &one, sizeof(one)), 8);
}

TEST(EpollLoopTest, runs_posted_tasks_in_order) {
  EpollLoop loop;
  std::vector<int> order;
  loop.Post([&] { order.push_back(1); });
  loop.Post([&] { order.push_back(2); });
  loop.Post([&] { loop.Quit(); });
  loop.Run();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(EpollLoopTest, keeps_the_tasks_behind_a_quit_for_the_next_run) {
  EpollLoop loop;
  std::vector<int> order;
  loop.Post([&] { loop.Quit(); });
  loop.Post([&] { order.push_back(1); });
  loop.Post([&] { loop.Quit(); });
  loop.Run();
  EXPECT_TRUE(order.empty());
  loop.Run();
  EXPECT_EQ(order, (std::vector<int>{1}));
}

TEST(EpollLoopTest, runs_delayed_tasks_by_their_due_time) {
  EpollLoop loop;
  std::vector<int> order;
  loop.PostAfter(20ms, [&] {
    order.push_back(2);
    loop.Quit();
  });
  loop.PostAfter(1ms, [&] { order.push_back(1); });
  loop.Run();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(EpollLoopTest, accepts_tasks_from_other_threads) {
  EpollLoop loop;
  std::thread other([&] {
    loop.Post([&] {
      EXPECT_TRUE(loop.IsCurrent());
      loop.Quit();
    });
  });
  loop.Run();
  other.join();
  EXPECT_FALSE(loop.IsCurrent());
}

TEST(EpollLoopTest, calls_the_handler_of_a_readable_descriptor) {
  EpollLoop loop;
  const UniqueFd fd(::eventfd(0, EFD_CLOEXEC));
  uint32_t seen = 0;
  loop.Watch(fd.get(), EPOLLIN, [&](uint32_t events) {
    seen = events;
    loop.Quit();
  });
  Signal(fd);
  loop.Run();
  EXPECT_EQ(seen & EPOLLIN, uint32_t{EPOLLIN});
}

TEST(EpollLoopTest, a_handler_may_unwatch_itself_and_others) {
  EpollLoop loop;
  const UniqueFd a(::eventfd(1, EFD_CLOEXEC));
  const UniqueFd b(::eventfd(1, EFD_CLOEXEC));
  int calls = 0;
  const auto handler = [&](uint32_t) {
    ++calls;
    loop.Unwatch(a.get());
    loop.Unwatch(b.get());
    loop.Post([&] { loop.Quit(); });
  };
  loop.Watch(a.get(), EPOLLIN, handler);
  loop.Watch(b.get(), EPOLLIN, handler);
  loop.Run();
  EXPECT_EQ(calls, 1);
}

TEST(EpollLoopTest, an_event_of_a_closed_descriptor_is_not_given_to_its_number_s_next_owner) {
  EpollLoop loop;
  UniqueFd a(::eventfd(1, EFD_CLOEXEC));
  UniqueFd b(::eventfd(1, EFD_CLOEXEC));
  int mistaken = 0;
  // Whichever comes first closes the other, whose event waits, and watches a silent descriptor that
  // gets its number.
  const auto replace = [&](UniqueFd& other) {
    const int number = other.get();
    loop.Unwatch(number);
    other.Reset();
    UniqueFd silent(::eventfd(0, EFD_CLOEXEC));
    ASSERT_EQ(silent.get(), number);
    other = std::move(silent);
    loop.Watch(number, EPOLLIN, [&](uint32_t) { ++mistaken; });
    loop.Post([&] { loop.Quit(); });
  };
  loop.Watch(a.get(), EPOLLIN, [&](uint32_t) { replace(b); });
  loop.Watch(b.get(), EPOLLIN, [&](uint32_t) { replace(a); });
  loop.Run();
  EXPECT_EQ(mistaken, 0);
}

}  // namespace
}  // namespace rendercar
