// Every metric of the sidecar: name, type, help, labels.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/metrics/metric_table.h"

#include <fmt/format.h>

namespace rendercar::sidecar {
namespace {

constexpr prometheus::MetricType kCounter = prometheus::MetricType::Counter;
constexpr prometheus::MetricType kGauge = prometheus::MetricType::Gauge;

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
  };
  return *metrics;
}

std::vector<Metric> AllMetrics() {
  std::vector<Metric> metrics{kBuildInfo, kShareInfo,  kSessionInfo,     kSessionState,
                              kSessionUp, kBackendUp,  kBackendRestarts, kSessionCreated,
                              kCommands,  kGuestErrors};
  for (const PageMetric& page : PageMetrics()) metrics.push_back(page.metric);
  metrics.insert(metrics.end(), {kContainerCpu, kContainerMemory, kContainerMemoryLimit});
  return metrics;
}

std::string MetricsMarkdown() {
  std::string text = "| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n";
  for (const Metric& metric : AllMetrics()) {
    text += fmt::format("| `{}` | {} | {} | {} |\n", metric.name,
                        metric.type == kCounter ? "counter" : "gauge", metric.labels, metric.help);
  }
  return text;
}

}  // namespace rendercar::sidecar
