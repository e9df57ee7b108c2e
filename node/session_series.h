// What the series of a session have in common, wherever their numbers come from.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/client_metric.h>
#include <prometheus/metric_type.h>

#include <string>
#include <utility>
#include <vector>

#include "node/pod_resources.h"
#include "node/share.h"

namespace rendercar::node {

using SeriesLabels = std::vector<prometheus::ClientMetric::Label>;

inline SeriesLabels SessionLabels(const ShareUser& user, const std::string& share,
                                  const std::string& session) {
  return {{"namespace", user.ns},           {"pod", user.pod}, {"vm", VmOf(user.pod)},
          {"render_node", NodeIdOf(share)}, {"share", share},  {"session", session}};
}

// A counter or a gauge.
inline prometheus::ClientMetric Sample(SeriesLabels labels, prometheus::MetricType type,
                                       double value) {
  prometheus::ClientMetric metric;
  metric.label = std::move(labels);
  (type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  return metric;
}

}  // namespace rendercar::node
