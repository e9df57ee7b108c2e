// Preflight as Prometheus collects it.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/metrics/preflight_collector.h"

#include <prometheus/metric_family.h>

#include "sidecar/metrics/metric_table.h"

namespace rendercar::sidecar {

std::vector<prometheus::MetricFamily> PreflightCollector::Collect() const {
  prometheus::MetricFamily family;
  family.name = kPreflightFailed.name;
  family.help = kPreflightFailed.help;
  family.type = kPreflightFailed.type;
  for (const PreflightCheck& check : checks_()) {
    if (check.result == PreflightResult::kSkip) continue;
    prometheus::ClientMetric sample;
    sample.label = {{"reason", check.reason}};
    sample.gauge.value = check.result == PreflightResult::kFail ? 1 : 0;
    family.metric.push_back(std::move(sample));
  }
  if (family.metric.empty()) return {};
  return {std::move(family)};
}

}  // namespace rendercar::sidecar
