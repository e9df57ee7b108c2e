// When deaths of renderers speak against a render node.
// SPDX-License-Identifier: Apache-2.0
#include "node/crash_rate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
