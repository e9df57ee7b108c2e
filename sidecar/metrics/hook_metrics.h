// KubeVirt's calls as Prometheus collects them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/registry.h>

#include "sidecar/kubevirt/hook_report.h"

namespace rendercar::sidecar {

// Every series is there from the start, at 0, so that the first refusal is an increase.
class HookMetrics final : public HookReport, public prometheus::Collectable {
 public:
  HookMetrics();

  void Answered(Hook hook, const absl::Status& result, std::chrono::nanoseconds took) override;
  std::vector<prometheus::MetricFamily> Collect() const override { return registry_.Collect(); }

 private:
  prometheus::Registry registry_;
  prometheus::Family<prometheus::Counter>& calls_;
  prometheus::Family<prometheus::Histogram>& durations_;
};

}  // namespace rendercar::sidecar
