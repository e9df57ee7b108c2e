// What happens in the operator, as metrics.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <memory>
#include <string>

#include "common/status.h"

namespace rendercar::rc_operator {

// Any thread.
class Report {
 public:
  Report();

  const std::shared_ptr<prometheus::Registry>& registry() const { return registry_; }

  // `what`: session, status, event, deletion, pool.
  void Wrote(const std::string& what, const absl::Status& result);
  void ConfigWritten(const absl::Status& result);
  void Sessions(size_t known, size_t without_pod);
  void NodeApi(bool answers);
  void Leader(bool is);

 private:
  using Counters = prometheus::Family<prometheus::Counter>;
  using Gauges = prometheus::Family<prometheus::Gauge>;

  const std::shared_ptr<prometheus::Registry> registry_;
  Counters& writes_;
  Counters& configs_;
  Gauges& sessions_;
  prometheus::Gauge& node_api_;
  prometheus::Gauge& leader_;
};

}  // namespace rendercar::rc_operator
