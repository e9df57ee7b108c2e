// The statistics of all sessions on this node, as Prometheus collects them.
// SPDX-License-Identifier: Apache-2.0
#include "node/session_collector.h"

#include <map>
#include <utility>

#include "common/metrics/page_metrics.h"
#include "node/gpu_use.h"
#include "node/session_series.h"

namespace rendercar::node {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

SeriesLabels LabelsOf(const SessionStats& one) {
  return SessionLabels(one.user, one.share, one.session);
}

// One series an entry of a map that each session has.
using Amounts = std::map<std::string, uint64_t>;
MetricFamily GpuFamily(const char* name, const char* help, MetricType type, const char* label,
                       double unit, Amounts GpuUse::*amounts,
                       const std::vector<SessionStats>& sessions, const GpuUses& uses) {
  MetricFamily family{name, help, type, {}};
  for (const SessionStats& one : sessions) {
    const auto use = uses.find({one.share, one.session});
    if (use == uses.end()) continue;
    for (const auto& [what, amount] : use->second.*amounts) {
      auto labels = LabelsOf(one);
      labels.push_back({label, what});
      family.metric.push_back(Sample(std::move(labels), type, static_cast<double>(amount) * unit));
    }
  }
  return family;
}

MetricFamily UserFamily(const ShareUsers& users) {
  MetricFamily family{"rendercar_node_share_info",
                      "A share that a container has; always 1.",
                      MetricType::Gauge,
                      {}};
  for (const auto& [share, user] : users) {
    family.metric.push_back(Sample({{"namespace", user.ns},
                                    {"pod", user.pod},
                                    {"container", user.container},
                                    {"share", share}},
                                   MetricType::Gauge, 1));
  }
  return family;
}

}  // namespace

std::vector<MetricFamily> SessionCollector::Collect() const {
  const std::shared_ptr<const ShareUsers> users = users_->Get();
  const std::vector<SessionStats> sessions = GatherSessions(session_root_, users.get());
  std::vector<MetricFamily> families;
  std::vector<LabelledPage> pages;
  for (const SessionStats& one : sessions) pages.push_back({LabelsOf(one), one.stats});
  AppendPageFamilies(pages, /*zeros=*/false, families);
  if (users != nullptr) families.push_back(UserFamily(*users));
  if (proc_.empty()) return families;
  const GpuUses uses = GatherGpuUse(proc_, sessions);
  families.push_back(GpuFamily(
      "rendercar_gpu_engine_seconds_total", "Time that the session kept an engine of the GPU busy.",
      MetricType::Counter, "engine", 1e-9, &GpuUse::engine_ns, sessions, uses));
  families.push_back(
      GpuFamily("rendercar_gpu_memory_bytes", "Memory of the GPU that the session has, by region.",
                MetricType::Gauge, "region", 1, &GpuUse::memory_bytes, sessions, uses));
  return families;
}

}  // namespace rendercar::node
