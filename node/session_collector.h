// The statistics of all sessions on this node, as Prometheus collects them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <memory>
#include <string>
#include <vector>

#include "node/session_stats.h"

namespace rendercar::node {

// Collects at each scrape, on the scraping thread. `proc`: where processes are seen, for what they
// use of the GPU; empty: not looked for.
class SessionCollector final : public prometheus::Collectable {
 public:
  SessionCollector(std::string session_root, std::shared_ptr<const ShareUserBook> users,
                   std::string proc = "")
      : session_root_(std::move(session_root)), users_(std::move(users)), proc_(std::move(proc)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::string session_root_;
  const std::shared_ptr<const ShareUserBook> users_;
  const std::string proc_;
};

}  // namespace rendercar::node
