// What is known of render nodes as Prometheus collects it: sensors, and why a node cannot be used.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <memory>
#include <utility>
#include <vector>

#include "node/inventory.h"

namespace rendercar::node {

// Reads at each scrape, on the scraping thread.
class NodeCollector final : public prometheus::Collectable {
 public:
  explicit NodeCollector(std::shared_ptr<const NodeBook> nodes) : nodes_(std::move(nodes)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::shared_ptr<const NodeBook> nodes_;
};

}  // namespace rendercar::node
