// How the sessions of this node are, as their sidecars tell: what statistics pages do not hold.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/collectable.h>

#include <functional>
#include <vector>

#include "rendercar/v1/session.pb.h"

namespace rendercar::node {

// Under the sidecar's names, with the labels of SessionCollector.
class SessionStateCollector final : public prometheus::Collectable {
 public:
  // `list` is called at each scrape, on its thread; it bounds the wait for sidecars.
  explicit SessionStateCollector(std::function<std::vector<v1::Session>()> list)
      : list_(std::move(list)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::function<std::vector<v1::Session>()> list_;
};

}  // namespace rendercar::node
