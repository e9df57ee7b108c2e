// Every metric of the sidecar: name, type, help, labels.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/metrics/metric_table.h"

#include <fmt/format.h>

namespace rendercar::sidecar {
namespace {

constexpr prometheus::MetricType kCounter = prometheus::MetricType::Counter;
constexpr prometheus::MetricType kGauge = prometheus::MetricType::Gauge;

const char* TypeName(prometheus::MetricType type) {
  if (type == kCounter) return "counter";
  return type == kGauge ? "gauge" : "histogram";
}

PageMetric Page(StatsValue value, const char* name, prometheus::MetricType type, const char* help) {
  return {value, {name, type, help, kSessionLabels}};
}

}  // namespace

const std::vector<PageMetric>& PageMetrics() {
  static const auto* metrics = new std::vector<PageMetric>{
      Page(StatsValue::kFrontendConnected, "rendercar_frontend_connected", kGauge,
           "1 when a VM is connected."),
      Page(StatsValue::kVirglEnabled, "rendercar_virgl_enabled", kGauge,
           "1 when the guest is offered 3D."),
      Page(StatsValue::kBytes2d, "rendercar_2d_bytes_total", kCounter, "Bytes of 2D transfers."),
      Page(StatsValue::kBytes3d, "rendercar_3d_bytes_total", kCounter,
           "Bytes of 3D command streams and transfers."),
      Page(StatsValue::kFencesCreated, "rendercar_fences_created_total", kCounter,
           "Fences that the guest asked for."),
      Page(StatsValue::kFencesSignaled, "rendercar_fences_signaled_total", kCounter,
           "Fences that were signaled to the guest."),
      Page(StatsValue::kFramesShown, "rendercar_frames_shown_total", kCounter,
           "Screen updates sent to the VMM."),
      Page(StatsValue::kFramesCoalesced, "rendercar_frames_coalesced_total", kCounter,
           "Screen updates merged into a later one."),
      Page(StatsValue::kDisplayBytes, "rendercar_display_bytes_total", kCounter,
           "Bytes of pixels sent to the VMM."),
      Page(StatsValue::kResources, "rendercar_resources", kGauge, "Resources of the guest."),
      Page(StatsValue::kResourceBytes, "rendercar_resource_bytes", kGauge,
           "Host bytes of all resources of the guest."),
      Page(StatsValue::kContexts, "rendercar_contexts", kGauge, "3D contexts of the guest."),
      Page(StatsValue::kRendererUp, "rendercar_renderer_up", kGauge,
           "1 when the renderer process runs; 0 also while the guest used no 3D."),
      Page(StatsValue::kRendererStarts, "rendercar_renderer_starts_total", kCounter,
           "Starts of the renderer process."),
      Page(StatsValue::kRendererDeaths, "rendercar_renderer_deaths_total", kCounter,
           "Renderer processes that ended without being asked to."),
      Page(StatsValue::kWatchdogKills, "rendercar_watchdog_kills_total", kCounter,
           "Renderer processes that were killed because they did not answer."),
      Page(StatsValue::kDeviceResets, "rendercar_device_resets_total", kCounter,
           "Resets of the device by the guest's driver or firmware."),
      Page(StatsValue::kDisplaySockets, "rendercar_display_sockets_total", kCounter,
           "Display sockets received from the VMM."),
      Page(StatsValue::kQueueNotifications, "rendercar_queue_notifications_total", kCounter,
           "Interrupts requested for used buffers."),
      Page(StatsValue::kResourceBytesLimit, "rendercar_resource_limit_bytes", kGauge,
           "What rendercar_resource_bytes may reach; the guest is refused more."),
      Page(StatsValue::kResourcesLimit, "rendercar_resources_limit", kGauge,
           "What rendercar_resources may reach."),
      Page(StatsValue::kContextsLimit, "rendercar_contexts_limit", kGauge,
           "What rendercar_contexts may reach."),
      Page(StatsValue::kRequestsInFlight, "rendercar_requests_in_flight", kGauge,
           "Requests that wait for the renderer or for an earlier fence."),
      Page(StatsValue::kQueueStalls, "rendercar_queue_stalls_total", kCounter,
           "Times that requests had to stay in the queue, since too many were in flight."),
      Page(StatsValue::kFlushedPixels, "rendercar_flushed_pixels_total", kCounter,
           "Pixels that the guest flushed; a quarter of rendercar_display_bytes_total of them had "
           "changed and were sent."),
      Page(StatsValue::kSandboxKills, "rendercar_sandbox_kills_total", kCounter,
           "Renderer processes that the sandbox ended at a forbidden system call."),
  };
  return *metrics;
}

const std::vector<DurationMetric>& DurationMetrics() {
  static const auto* metrics = new std::vector<DurationMetric>{
      {StatsHistogram::kCommand2d, "2d", kCommandDuration},
      {StatsHistogram::kCommand3d, "3d", kCommandDuration},
      {StatsHistogram::kCommandOther, "other", kCommandDuration},
      {StatsHistogram::kFence, nullptr, kFenceDuration},
      {StatsHistogram::kRecovery, nullptr, kRecoveryDuration},
  };
  return *metrics;
}

std::vector<Metric> AllMetrics() {
  std::vector<Metric> metrics{kBuildInfo, kShareInfo,  kSessionInfo,     kSessionState,
                              kSessionUp, kBackendUp,  kBackendRestarts, kSessionCreated,
                              kCommands,  kGuestErrors};
  for (const PageMetric& page : PageMetrics()) metrics.push_back(page.metric);
  metrics.insert(metrics.end(),
                 {kCommandDuration, kFenceDuration, kRecoveryDuration, kHookCalls, kHookDuration,
                  kContainerCpu, kContainerMemory, kContainerMemoryLimit, kContainerPressure});
  return metrics;
}

std::string MetricsMarkdown() {
  std::string text = "| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n";
  for (const Metric& metric : AllMetrics()) {
    text += fmt::format("| `{}` | {} | {} | {} |\n", metric.name, TypeName(metric.type),
                        metric.labels, metric.help);
  }
  return text;
}

}  // namespace rendercar::sidecar
