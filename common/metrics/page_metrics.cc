// The metrics of a session's statistics page: what sidecar and node agent both export, under one
// name.
// SPDX-License-Identifier: Apache-2.0
#include "common/metrics/page_metrics.h"

#include <limits>
#include <string>
#include <utility>

namespace rendercar {
namespace {

using Families = std::vector<prometheus::MetricFamily>;

constexpr prometheus::MetricType kCounter = prometheus::MetricType::Counter;
constexpr prometheus::MetricType kGauge = prometheus::MetricType::Gauge;

MetricLabels With(const LabelledPage& page, const MetricLabels& more) {
  MetricLabels labels = page.labels;
  labels.insert(labels.end(), more.begin(), more.end());
  return labels;
}

void AddCommands(const std::vector<LabelledPage>& pages, bool zeros, Families& families) {
  FamilyBuilder family(kCommands);
  for (const LabelledPage& page : pages) {
    for (size_t c = 0; c < page.stats.commands.size(); ++c) {
      for (size_t r = 0; r < page.stats.commands[c].size(); ++r) {
        const uint64_t count = page.stats.commands[c][r];
        if (count == 0 && !zeros) continue;
        family.Add(With(page, {{"command", std::string(ToString(static_cast<StatsCommand>(c)))},
                               {"result", std::string(ToString(static_cast<StatsResult>(r)))}}),
                   static_cast<double>(count));
      }
    }
  }
  std::move(family).AppendTo(families);
}

void AddErrors(const std::vector<LabelledPage>& pages, bool zeros, Families& families) {
  FamilyBuilder family(kGuestErrors);
  for (const LabelledPage& page : pages) {
    for (size_t e = 0; e < page.stats.errors.size(); ++e) {
      if (page.stats.errors[e] == 0 && !zeros) continue;
      family.Add(With(page, {{"kind", std::string(ToString(static_cast<StatsError>(e)))}}),
                 static_cast<double>(page.stats.errors[e]));
    }
  }
  std::move(family).AppendTo(families);
}

void AddValues(const std::vector<LabelledPage>& pages, Families& families) {
  for (const PageMetric& one : PageMetrics()) {
    FamilyBuilder family(one.metric);
    for (const LabelledPage& page : pages) {
      family.Add(page.labels, static_cast<double>(page.stats[one.value]));
    }
    std::move(family).AppendTo(families);
  }
}

prometheus::ClientMetric::Histogram ToHistogram(const StatsDurations& durations) {
  prometheus::ClientMetric::Histogram histogram;
  for (size_t i = 0; i < durations.buckets.size(); ++i) {
    histogram.sample_count += durations.buckets[i];
    const double bound =
        i < kStatsBuckets ? StatsBucketSeconds(i) : std::numeric_limits<double>::infinity();
    histogram.bucket.push_back({histogram.sample_count, bound});
  }
  histogram.sample_sum = static_cast<double>(durations.sum_ns) * 1e-9;
  return histogram;
}

void AddDurations(const std::vector<LabelledPage>& pages, bool zeros, Families& families) {
  for (const Metric& metric : {kCommandDuration, kFenceDuration, kRecoveryDuration}) {
    FamilyBuilder family(metric);
    for (const DurationMetric& each : DurationMetrics()) {
      if (each.metric.name != metric.name) continue;
      for (const LabelledPage& page : pages) {
        if (!zeros && page.stats[each.histogram].count() == 0) continue;
        const MetricLabels kind =
            each.kind == nullptr ? MetricLabels{} : MetricLabels{{"kind", each.kind}};
        family.Add(With(page, kind), ToHistogram(page.stats[each.histogram]));
      }
    }
    std::move(family).AppendTo(families);
  }
}

}  // namespace

const std::vector<PageMetric>& PageMetrics() {
  static const auto* metrics = new std::vector<PageMetric>{
      {StatsValue::kFrontendConnected,
       {"rendercar_frontend_connected", kGauge, "1 when a VM is connected.", ""}},
      {StatsValue::kVirglEnabled,
       {"rendercar_virgl_enabled", kGauge, "1 when the guest is offered 3D.", ""}},
      {StatsValue::kBytes2d, {"rendercar_2d_bytes_total", kCounter, "Bytes of 2D transfers.", ""}},
      {StatsValue::kBytes3d,
       {"rendercar_3d_bytes_total", kCounter, "Bytes of 3D command streams and transfers.", ""}},
      {StatsValue::kFencesCreated,
       {"rendercar_fences_created_total", kCounter, "Fences that the guest asked for.", ""}},
      {StatsValue::kFencesSignaled,
       {"rendercar_fences_signaled_total", kCounter, "Fences that were signaled to the guest.",
        ""}},
      {StatsValue::kFramesShown,
       {"rendercar_frames_shown_total", kCounter, "Screen updates sent to the VMM.", ""}},
      {StatsValue::kFramesCoalesced,
       {"rendercar_frames_coalesced_total", kCounter, "Screen updates merged into a later one.",
        ""}},
      {StatsValue::kDisplayBytes,
       {"rendercar_display_bytes_total", kCounter, "Bytes of pixels sent to the VMM.", ""}},
      {StatsValue::kResources, {"rendercar_resources", kGauge, "Resources of the guest.", ""}},
      {StatsValue::kResourceBytes,
       {"rendercar_resource_bytes", kGauge, "Host bytes of all resources of the guest.", ""}},
      {StatsValue::kContexts, {"rendercar_contexts", kGauge, "3D contexts of the guest.", ""}},
      {StatsValue::kRendererUp,
       {"rendercar_renderer_up", kGauge,
        "1 when the renderer process runs; 0 also while the guest used no 3D.", ""}},
      {StatsValue::kRendererStarts,
       {"rendercar_renderer_starts_total", kCounter, "Starts of the renderer process.", ""}},
      {StatsValue::kRendererDeaths,
       {"rendercar_renderer_deaths_total", kCounter,
        "Renderer processes that ended without being asked to.", ""}},
      {StatsValue::kWatchdogKills,
       {"rendercar_watchdog_kills_total", kCounter,
        "Renderer processes that were killed because they did not answer.", ""}},
      {StatsValue::kDeviceResets,
       {"rendercar_device_resets_total", kCounter,
        "Resets of the device by the guest's driver or firmware.", ""}},
      {StatsValue::kDisplaySockets,
       {"rendercar_display_sockets_total", kCounter, "Display sockets received from the VMM.", ""}},
      {StatsValue::kQueueNotifications,
       {"rendercar_queue_notifications_total", kCounter, "Interrupts requested for used buffers.",
        ""}},
      {StatsValue::kResourceBytesLimit,
       {"rendercar_resource_limit_bytes", kGauge,
        "What rendercar_resource_bytes may reach; the guest is refused more.", ""}},
      {StatsValue::kResourcesLimit,
       {"rendercar_resources_limit", kGauge, "What rendercar_resources may reach.", ""}},
      {StatsValue::kContextsLimit,
       {"rendercar_contexts_limit", kGauge, "What rendercar_contexts may reach.", ""}},
      {StatsValue::kRequestsInFlight,
       {"rendercar_requests_in_flight", kGauge,
        "Requests that wait for the renderer or for an earlier fence.", ""}},
      {StatsValue::kQueueStalls,
       {"rendercar_queue_stalls_total", kCounter,
        "Times that requests had to stay in the queue, since too many were in flight.", ""}},
      {StatsValue::kFlushedPixels,
       {"rendercar_flushed_pixels_total", kCounter,
        "Pixels that the guest flushed; a quarter of rendercar_display_bytes_total of them had "
        "changed and were sent.",
        ""}},
      {StatsValue::kSandboxKills,
       {"rendercar_sandbox_kills_total", kCounter,
        "Renderer processes that the sandbox ended at a forbidden system call.", ""}},
      {StatsValue::kRendererThrottles,
       {"rendercar_renderer_throttles_total", kCounter,
        "Times that the guest had used up its share of the renderer's time.", ""}},
      {StatsValue::kDisplayThrottles,
       {"rendercar_display_throttles_total", kCounter,
        "Frames after which the display's bandwidth was used up.", ""}},
      {StatsValue::kFailovers,
       {"rendercar_failovers_total", kCounter,
        "Times that 3D moved to another render node because its own was gone.", ""}},
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

FamilyBuilder::FamilyBuilder(const Metric& metric) {
  family_.name = metric.name;
  family_.help = metric.help;
  family_.type = metric.type;
}

void FamilyBuilder::Add(MetricLabels labels, double value) {
  prometheus::ClientMetric sample;
  sample.label = std::move(labels);
  (family_.type == kCounter ? sample.counter.value : sample.gauge.value) = value;
  family_.metric.push_back(std::move(sample));
}

void FamilyBuilder::Add(MetricLabels labels, prometheus::ClientMetric::Histogram value) {
  prometheus::ClientMetric sample;
  sample.label = std::move(labels);
  sample.histogram = std::move(value);
  family_.metric.push_back(std::move(sample));
}

void FamilyBuilder::AppendTo(Families& families) && {
  if (!family_.metric.empty()) families.push_back(std::move(family_));
}

void AppendPageFamilies(const std::vector<LabelledPage>& pages, bool zeros, Families& families) {
  AddCommands(pages, zeros, families);
  AddErrors(pages, zeros, families);
  AddValues(pages, families);
  AddDurations(pages, zeros, families);
}

}  // namespace rendercar
