// When deaths of renderers speak against a render node.
// SPDX-License-Identifier: Apache-2.0
#include "node/crash_rate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/temp_dir.h"

namespace rendercar::node {
namespace {

using std::chrono_literals::operator""s;
using ::testing::HasSubstr;

class CrashRateTest : public ::testing::Test {
 protected:
  CrashRateTest() {
    rate_.SetLimit({.crashes = 6, .pods = 2, .window = 600s});
    rate_.Observe({});
  }
  static SessionDeaths Of(const std::string& share, const std::string& pod, uint64_t deaths,
                          uint64_t started_ns = 1) {
    return {share, "vm", pod, started_ns, deaths};
  }

  std::chrono::steady_clock::time_point now_;
  CrashRate rate_{[this] { return now_; }};
};

TEST_F(CrashRateTest, deaths_of_several_pods_close_the_node_until_the_window_has_passed) {
  rate_.Observe({Of("gpu-0", "ns/a", 3), Of("gpu-1", "ns/b", 3)});
  EXPECT_THAT(rate_.Problem("gpu"), HasSubstr("renderers of 2 pods died on it within 600 s"));
  now_ += 599s;
  EXPECT_NE(rate_.Problem("gpu"), "");
  now_ += 1s;
  EXPECT_EQ(rate_.Problem("gpu"), "");
}

TEST_F(CrashRateTest, one_pod_alone_cannot_close_a_node) {
  rate_.Observe({Of("gpu-0", "ns/a", 1'000'000), Of("gpu-1", "ns/a", ~uint64_t{0})});
  EXPECT_EQ(rate_.Problem("gpu"), "");
}

TEST_F(CrashRateTest, a_pod_counts_for_no_more_than_its_part) {
  rate_.Observe({Of("gpu-0", "ns/a", 100), Of("gpu-1", "ns/b", 2)});
  EXPECT_EQ(rate_.Problem("gpu"), "");
  rate_.Observe({Of("gpu-0", "ns/a", 100), Of("gpu-1", "ns/b", 3)});
  EXPECT_NE(rate_.Problem("gpu"), "");
}

TEST_F(CrashRateTest, another_node_is_not_concerned) {
  rate_.Observe({Of("gpu-0", "ns/a", 3), Of("gpu-1", "ns/b", 3)});
  EXPECT_EQ(rate_.Problem("other"), "");
}

TEST_F(CrashRateTest, what_was_before_the_agent_started_does_not_count) {
  CrashRate fresh([this] { return now_; });
  fresh.SetLimit({.crashes = 2, .pods = 2, .window = 600s});
  fresh.Observe({Of("gpu-0", "ns/a", 5), Of("gpu-1", "ns/b", 5)});
  EXPECT_EQ(fresh.Problem("gpu"), "");
  fresh.Observe({Of("gpu-0", "ns/a", 6), Of("gpu-1", "ns/b", 6)});
  EXPECT_NE(fresh.Problem("gpu"), "");
}

// One agent after the other, in one boot.
class CrashRateRestartTest : public CrashRateTest {
 protected:
  CrashRateRestartTest() { std::ofstream(dir_ / "boot") << "one\n"; }
  CrashRate Next() {
    CrashRate rate([this] { return now_; }, CrashNote(dir_ / "note", dir_ / "boot"));
    rate.SetLimit({.crashes = 6, .pods = 2, .window = 600s});
    return rate;
  }

  TempDir dir_;
};

TEST_F(CrashRateRestartTest, a_closed_node_stays_closed_until_the_window_has_passed) {
  CrashRate first = Next();
  first.Observe({});
  first.Observe({Of("gpu-0", "ns/a", 3), Of("gpu-1", "ns/b", 3)});
  ASSERT_NE(first.Problem("gpu"), "");
  now_ += 300s;
  CrashRate second = Next();
  EXPECT_NE(second.Problem("gpu"), "");
  second.Observe({Of("gpu-0", "ns/a", 3), Of("gpu-1", "ns/b", 3)});
  now_ += 299s;
  EXPECT_NE(second.Problem("gpu"), "");
  now_ += 1s;
  EXPECT_EQ(second.Problem("gpu"), "");
}

TEST_F(CrashRateRestartTest, what_died_while_no_agent_was_there_counts) {
  Next().Observe({Of("gpu-0", "ns/a", 7), Of("gpu-1", "ns/b", 0)});
  CrashRate second = Next();
  second.Observe({Of("gpu-0", "ns/a", 10), Of("gpu-1", "ns/b", 3), Of("gpu-2", "ns/c", 90)});
  EXPECT_THAT(second.Problem("gpu"), HasSubstr("renderers of 2 pods"))
      << "of the third it is not known when";
}

TEST_F(CrashRateRestartTest, deaths_before_a_restart_and_after_it_are_one_count) {
  CrashRate first = Next();
  first.Observe({});
  first.Observe({Of("gpu-0", "ns/a", 3), Of("gpu-1", "ns/b", 2)});
  EXPECT_EQ(first.Problem("gpu"), "");
  CrashRate second = Next();
  second.Observe({Of("gpu-0", "ns/a", 3), Of("gpu-1", "ns/b", 3)});
  EXPECT_NE(second.Problem("gpu"), "");
}

TEST_F(CrashRateRestartTest, another_boot_starts_anew) {
  CrashRate first = Next();
  first.Observe({});
  first.Observe({Of("gpu-0", "ns/a", 3), Of("gpu-1", "ns/b", 3)});
  std::ofstream(dir_ / "boot") << "two\n";
  CrashRate second = Next();
  second.Observe({Of("gpu-0", "ns/a", 3), Of("gpu-1", "ns/b", 3)});
  EXPECT_EQ(second.Problem("gpu"), "");
}

TEST_F(CrashRateRestartTest, a_garbled_note_says_nothing) {
  for (const char* text : {"", "one", "one\n", "one\n\n", "one\nsession", "one\ndeath gpu a x 3\n",
                           "one\nfish gpu-0 vm 1 3\n", "one\nsession gpu-0 vm 1\n"}) {
    std::ofstream(dir_ / "note", std::ios::trunc) << text;
    const CrashHistory history = CrashNote(dir_ / "note", dir_ / "boot").Read();
    EXPECT_TRUE(history.known.empty() && history.deaths.empty()) << text;
  }
}

TEST_F(CrashRateRestartTest, what_has_passed_is_not_kept) {
  CrashRate rate = Next();
  rate.Observe({});
  rate.Observe({Of("gpu-0", "ns/a", 3)});
  EXPECT_FALSE(CrashNote(dir_ / "note", dir_ / "boot").Read().deaths.empty());
  now_ += 600s;
  rate.Observe({});
  const CrashHistory history = CrashNote(dir_ / "note", dir_ / "boot").Read();
  EXPECT_TRUE(history.known.empty() && history.deaths.empty());
}

TEST_F(CrashRateTest, a_backend_that_starts_again_counts_from_zero) {
  rate_.Observe({Of("gpu-0", "ns/a", 2, 1), Of("gpu-1", "ns/b", 3, 1)});
  EXPECT_EQ(rate_.Problem("gpu"), "");
  rate_.Observe({Of("gpu-0", "ns/a", 1, 2), Of("gpu-1", "ns/b", 3, 1)});
  EXPECT_NE(rate_.Problem("gpu"), "");
}

TEST_F(CrashRateTest, a_limit_of_zero_is_none) {
  rate_.SetLimit({.crashes = 0, .pods = 2, .window = 600s});
  rate_.Observe({Of("gpu-0", "ns/a", 30), Of("gpu-1", "ns/b", 30)});
  EXPECT_EQ(rate_.Problem("gpu"), "");
}

}  // namespace
}  // namespace rendercar::node
