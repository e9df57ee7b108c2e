// What Prometheus scrapes: read from the sessions and their statistics pages at each scrape.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/collectable.h>

#include <functional>
#include <vector>

#include "sidecar/metrics/container_usage.h"
#include "sidecar/session/session_manager.h"

namespace rendercar::sidecar {

// The sidecar at one moment.
struct MetricsSource {
  std::vector<SessionView> sessions;
  std::vector<ShareUse> shares;
};

class SessionCollector final : public prometheus::Collectable {
 public:
  // `source` and `usage` are called from the scraping thread.
  SessionCollector(std::function<MetricsSource()> source, std::function<ContainerUsage()> usage);

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::function<MetricsSource()> source_;
  const std::function<ContainerUsage()> usage_;
};

}  // namespace rendercar::sidecar
