// Every metric of the sidecar: name, type, help, labels. The scrape and docs/metrics.md come from
// this one table and that of the statistics page.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/metrics/page_metrics.h"

namespace rendercar::sidecar {

// One for each session, labels session, render_node and share:
inline constexpr char kSessionLabels[] = "session, render_node, share";

inline constexpr Metric kBuildInfo{"rendercar_build_info", prometheus::MetricType::Gauge,
                                   "Version of the sidecar; always 1.", "version, component"};
inline constexpr Metric kSessionInfo{"rendercar_session_info", prometheus::MetricType::Gauge,
                                     "What a session is; always 1.",
                                     "session, render_node, share, acceleration, display"};
inline constexpr Metric kSessionState{
    "rendercar_session_state", prometheus::MetricType::Gauge,
    "1 for the state that the session is in (starting, ready, backing_off, stopping), else 0.",
    "session, render_node, share, state"};
inline constexpr Metric kSessionUp{"rendercar_session_up", prometheus::MetricType::Gauge,
                                   "1 when a VM can use, or uses, the session.", kSessionLabels};
inline constexpr Metric kBackendUp{"rendercar_backend_up", prometheus::MetricType::Gauge,
                                   "1 when the session's backend process runs.", kSessionLabels};
inline constexpr Metric kBackendRestarts{
    "rendercar_backend_restarts_total", prometheus::MetricType::Counter,
    "How often the backend was started again; once a VM run is usual.", kSessionLabels};
inline constexpr Metric kMemoryKills{
    "rendercar_memory_kills_total", prometheus::MetricType::Counter,
    "Renderers that were ended because the container came near its memory limit.", kSessionLabels};
inline constexpr Metric kSessionUpgrades{
    "rendercar_session_upgrades_total", prometheus::MetricType::Counter,
    "Times that a newer backend was to take over a running VM: ok, or failed, and the one before "
    "went on.",
    "session, render_node, share, result"};
inline constexpr Metric kSessionCreated{"rendercar_session_created_timestamp_seconds",
                                        prometheus::MetricType::Gauge,
                                        "When the session was created, unix time.", kSessionLabels};
inline constexpr Metric kShareInfo{"rendercar_share_info", prometheus::MetricType::Gauge,
                                   "A share that this sidecar has; always 1.",
                                   "share, render_node"};
inline constexpr Metric kContainerCpu{
    "rendercar_container_cpu_seconds_total", prometheus::MetricType::Counter,
    "CPU time of the sidecar's cgroup: sidecar and backends.", ""};
inline constexpr Metric kContainerMemory{"rendercar_container_memory_bytes",
                                         prometheus::MetricType::Gauge,
                                         "Memory of the sidecar's cgroup.", ""};
inline constexpr Metric kContainerMemoryLimit{
    "rendercar_container_memory_limit_bytes", prometheus::MetricType::Gauge,
    "Memory limit of the sidecar's cgroup; absent without a limit.", ""};
inline constexpr Metric kContainerPressure{
    "rendercar_container_pressure_seconds_total", prometheus::MetricType::Counter,
    "Time that tasks of the sidecar's cgroup waited for a resource: some of them, or all; absent "
    "where the kernel does not tell.",
    "resource, tasks"};
inline constexpr Metric kHookCalls{
    "rendercar_hook_calls_total", prometheus::MetricType::Counter,
    "KubeVirt's calls, by hook and result: ok, or the gRPC code of the refusal.", "hook, result"};
inline constexpr Metric kHookDuration{"rendercar_hook_duration_seconds",
                                      prometheus::MetricType::Histogram,
                                      "How long KubeVirt waited for an answer.", "hook"};
inline constexpr Metric kPreflightFailed{
    "rendercar_preflight_failed", prometheus::MetricType::Gauge,
    "1 when a condition that a VM with a GPU needs here does not hold; absent when unknown.",
    "reason"};

// A metric as the document shows it.
struct DocumentedMetric {
  Metric metric;
  std::string labels;
};
// All metrics, in the order of the document.
std::vector<DocumentedMetric> AllMetrics();

// The table of docs/metrics.md.
std::string MetricsMarkdown();

}  // namespace rendercar::sidecar
