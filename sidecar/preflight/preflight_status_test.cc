// Preflight of a running sidecar, and its metric.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/preflight/preflight_status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/metric_family.h>

#include "sidecar/metrics/preflight_collector.h"

namespace rendercar::sidecar {
namespace {

constexpr char kShared[] =
    "<domain><memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking></domain>";

PreflightInput AtStart() { return {{{"s", "software", "", 0}}, "/run/gpu0.sock", {}, "", "", ""}; }

PreflightResult ResultOf(const PreflightStatus& status, const std::string& reason) {
  for (const PreflightCheck& check : status.Checks()) {
    if (check.reason == reason) return check.result;
  }
  ADD_FAILURE() << "no check " << reason;
  return PreflightResult::kSkip;
}

// The metric's samples, reason by reason.
std::map<std::string, double> Samples(const PreflightStatus& status) {
  std::map<std::string, double> samples;
  for (const auto& family : PreflightCollector([&] { return status.Checks(); }).Collect()) {
    for (const auto& sample : family.metric)
      samples[sample.label.front().value] = sample.gauge.value;
  }
  return samples;
}

TEST(PreflightStatusTest, what_the_hook_has_not_told_yet_is_unknown) {
  const PreflightStatus status(AtStart());
  EXPECT_EQ(ResultOf(status, "MemoryNotShared"), PreflightResult::kSkip);
  EXPECT_EQ(ResultOf(status, "LiveMigratable"), PreflightResult::kSkip);
  EXPECT_EQ(ResultOf(status, "RenderNodeNotOpenable"), PreflightResult::kPass);
}

TEST(PreflightStatusTest, a_domain_makes_memory_and_migration_known) {
  PreflightStatus status(AtStart());
  status.DomainDefined(kShared, R"({"spec":{"evictionStrategy":"LiveMigrate"}})");
  EXPECT_EQ(ResultOf(status, "MemoryNotShared"), PreflightResult::kPass);
  EXPECT_EQ(ResultOf(status, "LiveMigratable"), PreflightResult::kFail);
}

TEST(PreflightStatusTest, the_metric_tells_failures_and_leaves_out_the_unknown) {
  PreflightStatus status(AtStart());
  status.DomainDefined("<domain/>", R"({"spec":{"evictionStrategy":"None"}})");
  const auto samples = Samples(status);
  EXPECT_EQ(samples.at("MemoryNotShared"), 1);
  EXPECT_EQ(samples.at("LiveMigratable"), 0);
  EXPECT_EQ(samples.count("LauncherUnsupported"), 0U);
}

}  // namespace
}  // namespace rendercar::sidecar
