// Every metric of the sidecar: name, type, help, labels.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/metrics/metric_table.h"

#include <fmt/format.h>

namespace rendercar::sidecar {
namespace {

constexpr prometheus::MetricType kCounter = prometheus::MetricType::Counter;
constexpr prometheus::MetricType kGauge = prometheus::MetricType::Gauge;

const char* TypeName(prometheus::MetricType type) {
  if (type == kCounter) return "counter";
  return type == kGauge ? "gauge" : "histogram";
}

}  // namespace

std::vector<DocumentedMetric> AllMetrics() {
  std::vector<DocumentedMetric> all;
  const auto own = [&all](std::initializer_list<Metric> metrics) {
    for (const Metric& metric : metrics) all.push_back({metric, metric.labels});
  };
  const auto of_page = [&all](const Metric& metric) {
    const std::string more = metric.labels;
    all.push_back(
        {metric, more.empty() ? kSessionLabels : fmt::format("{}, {}", kSessionLabels, more)});
  };
  own({kBuildInfo, kShareInfo, kSessionInfo, kSessionState, kSessionUp, kBackendUp,
       kBackendRestarts, kMemoryKills, kSessionUpgrades, kSessionCreated});
  of_page(kCommands);
  of_page(kGuestErrors);
  for (const PageMetric& page : PageMetrics()) of_page(page.metric);
  for (const Metric& metric : {kCommandDuration, kFenceDuration, kRecoveryDuration})
    of_page(metric);
  own({kHookCalls, kHookDuration, kPreflightFailed, kContainerCpu, kContainerMemory,
       kContainerMemoryLimit, kContainerPressure});
  return all;
}

std::string MetricsMarkdown() {
  std::string text = "| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n";
  for (const auto& [metric, labels] : AllMetrics()) {
    text += fmt::format("| `{}` | {} | {} | {} |\n", metric.name, TypeName(metric.type), labels,
                        metric.help);
  }
  return text;
}

}  // namespace rendercar::sidecar
