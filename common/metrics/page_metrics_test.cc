// The families of statistics pages.
// SPDX-License-Identifier: Apache-2.0
#include "common/metrics/page_metrics.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace rendercar {
namespace {

const prometheus::MetricFamily* Find(const std::vector<prometheus::MetricFamily>& families,
                                     const std::string& name) {
  for (const auto& family : families) {
    if (family.name == name) return &family;
  }
  return nullptr;
}

TEST(PageMetricsTest, every_value_has_one_metric_and_every_metric_its_own_name) {
  std::set<StatsValue> values;
  std::set<std::string> names;
  for (const PageMetric& one : PageMetrics()) {
    EXPECT_TRUE(values.insert(one.value).second) << one.metric.name;
    EXPECT_TRUE(names.insert(one.metric.name).second) << one.metric.name;
  }
  EXPECT_EQ(values.size(), static_cast<size_t>(StatsValue::kCount));
}

TEST(PageMetricsTest, samples_carry_whose_they_are_and_what_they_are) {
  LabelledPage page{{{"session", "vm"}}, {}};
  page.stats.commands[0][1] = 5;
  std::vector<prometheus::MetricFamily> families;
  AppendPageFamilies({page}, false, families);
  const auto* commands = Find(families, "rendercar_commands_total");
  ASSERT_NE(commands, nullptr);
  ASSERT_EQ(commands->metric.size(), 1u);
  EXPECT_EQ(commands->metric[0].counter.value, 5);
  EXPECT_EQ(commands->metric[0].label.front().value, "vm");
  EXPECT_EQ(commands->metric[0].label.back().value, "error");
}

TEST(PageMetricsTest, what_was_not_seen_is_left_out_unless_asked_for) {
  std::vector<prometheus::MetricFamily> without, with;
  AppendPageFamilies({LabelledPage{}}, false, without);
  AppendPageFamilies({LabelledPage{}}, true, with);
  EXPECT_EQ(Find(without, "rendercar_guest_errors_total"), nullptr);
  EXPECT_NE(Find(with, "rendercar_guest_errors_total"), nullptr);
  EXPECT_EQ(Find(without, "rendercar_fence_duration_seconds"), nullptr);
  EXPECT_NE(Find(without, "rendercar_resources"), nullptr);
}

TEST(PageMetricsTest, durations_are_cumulative) {
  LabelledPage page;
  auto& fences = page.stats.histograms[static_cast<size_t>(StatsHistogram::kFence)];
  fences.buckets[0] = 2;
  fences.buckets[3] = 1;
  fences.sum_ns = 5'000'000'000;
  std::vector<prometheus::MetricFamily> families;
  AppendPageFamilies({page}, false, families);
  const auto* family = Find(families, "rendercar_fence_duration_seconds");
  ASSERT_NE(family, nullptr);
  const auto& histogram = family->metric.at(0).histogram;
  EXPECT_EQ(histogram.sample_count, 3u);
  EXPECT_EQ(histogram.sample_sum, 5);
  EXPECT_EQ(histogram.bucket[0].cumulative_count, 2u);
  EXPECT_EQ(histogram.bucket.back().cumulative_count, 3u);
}

TEST(PageMetricsTest, without_pages_there_is_nothing) {
  std::vector<prometheus::MetricFamily> families;
  AppendPageFamilies({}, true, families);
  EXPECT_TRUE(families.empty());
}

}  // namespace
}  // namespace rendercar
