// The metrics of a session's statistics page: what sidecar and node agent both export, under one
// name.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>

#include <vector>

#include "common/stats_page.h"

namespace rendercar {

struct Metric {
  const char* name;
  prometheus::MetricType type;
  const char* help;
  const char* labels;  // as the document shows them; of a page's: those besides whose it is
};

inline constexpr Metric kCommands{"rendercar_commands_total", prometheus::MetricType::Counter,
                                  "virtio-gpu commands by command and result.", "command, result"};
inline constexpr Metric kGuestErrors{"rendercar_guest_errors_total",
                                     prometheus::MetricType::Counter,
                                     "What the guest or the VMM did wrong, by kind.", "kind"};
inline constexpr Metric kCommandDuration{
    "rendercar_command_duration_seconds", prometheus::MetricType::Histogram,
    "From a request's arrival to its answer, by kind of command (2d, 3d, other).", "kind"};
inline constexpr Metric kFenceDuration{
    "rendercar_fence_duration_seconds", prometheus::MetricType::Histogram,
    "From a fenced request's arrival to the signal of its fence.", ""};
inline constexpr Metric kRecoveryDuration{
    "rendercar_renderer_recovery_seconds", prometheus::MetricType::Histogram,
    "From a renderer's death until its successor was sent all that the guest has.", ""};

// Metrics that are one value of the page.
struct PageMetric {
  StatsValue value;
  Metric metric;
};
const std::vector<PageMetric>& PageMetrics();

// A histogram of the page; `kind` is its label of that name, or null.
struct DurationMetric {
  StatsHistogram histogram;
  const char* kind;
  Metric metric;
};
const std::vector<DurationMetric>& DurationMetrics();

using MetricLabels = std::vector<prometheus::ClientMetric::Label>;

// One family under construction.
class FamilyBuilder {
 public:
  explicit FamilyBuilder(const Metric& metric);
  void Add(MetricLabels labels, double value);
  void Add(MetricLabels labels, prometheus::ClientMetric::Histogram value);
  // Families without a sample are left out.
  void AppendTo(std::vector<prometheus::MetricFamily>& families) &&;

 private:
  prometheus::MetricFamily family_;
};

// A page and whose it is.
struct LabelledPage {
  MetricLabels labels;
  StatsSnapshot stats;
};

// `zeros`: also commands, errors and durations that have not been seen yet; without, many sessions
// are few series.
void AppendPageFamilies(const std::vector<LabelledPage>& pages, bool zeros,
                        std::vector<prometheus::MetricFamily>& families);

}  // namespace rendercar
