// What the drivers tell of render nodes now: video memory in use, load, temperature; and why a node
// cannot be used. Read at each scrape.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "node/inventory.h"

namespace rendercar::node {

struct Sensors {
  std::optional<uint64_t> video_memory_used_bytes;
  std::optional<double> busy_ratio;           // 0..1
  std::optional<double> temperature_celsius;  // of the hottest sensor
};
Sensors ReadSensors(const RenderNode& node);

// On the scraping thread.
class NodeCollector final : public prometheus::Collectable {
 public:
  explicit NodeCollector(std::shared_ptr<const NodeBook> nodes) : nodes_(std::move(nodes)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::shared_ptr<const NodeBook> nodes_;
};

}  // namespace rendercar::node
