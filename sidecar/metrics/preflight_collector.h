// Preflight as Prometheus collects it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/collectable.h>

#include <functional>
#include <vector>

#include "sidecar/preflight/preflight.h"

namespace rendercar::sidecar {

// rendercar_preflight_failed{reason}: 1 or 0; what is unknown has no sample.
class PreflightCollector final : public prometheus::Collectable {
 public:
  // `checks` is called from the scraping thread.
  explicit PreflightCollector(std::function<std::vector<PreflightCheck>()> checks)
      : checks_(std::move(checks)) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::function<std::vector<PreflightCheck>()> checks_;
};

}  // namespace rendercar::sidecar
