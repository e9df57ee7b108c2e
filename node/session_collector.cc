// The statistics of all sessions on this node, as Prometheus collects them.
// SPDX-License-Identifier: Apache-2.0
#include "node/session_collector.h"

#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "node/gpu_use.h"
#include "node/share.h"

namespace rendercar::node {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

struct ValueMetric {
  StatsValue value;
  const char* name;
  MetricType type;
  const char* help;
};

// Named as the sidecar's own, so that one dashboard reads both.
constexpr std::array kValues{
    ValueMetric{StatsValue::kFrontendConnected, "rendercar_frontend_connected", MetricType::Gauge,
                "1 when a VM is connected."},
    ValueMetric{StatsValue::kVirglEnabled, "rendercar_virgl_enabled", MetricType::Gauge,
                "1 when the guest is offered 3D."},
    ValueMetric{StatsValue::kBytes2d, "rendercar_2d_bytes_total", MetricType::Counter,
                "Bytes of 2D transfers."},
    ValueMetric{StatsValue::kBytes3d, "rendercar_3d_bytes_total", MetricType::Counter,
                "Bytes of 3D command streams and transfers."},
    ValueMetric{StatsValue::kFencesCreated, "rendercar_fences_created_total", MetricType::Counter,
                "Fences that the guest asked for."},
    ValueMetric{StatsValue::kFencesSignaled, "rendercar_fences_signaled_total", MetricType::Counter,
                "Fences that were signaled to the guest."},
    ValueMetric{StatsValue::kFramesShown, "rendercar_frames_shown_total", MetricType::Counter,
                "Screen updates sent to the VMM."},
    ValueMetric{StatsValue::kFramesCoalesced, "rendercar_frames_coalesced_total",
                MetricType::Counter, "Screen updates merged into a later one."},
    ValueMetric{StatsValue::kDisplayBytes, "rendercar_display_bytes_total", MetricType::Counter,
                "Bytes of pixels sent to the VMM."},
    ValueMetric{StatsValue::kResources, "rendercar_resources", MetricType::Gauge,
                "Resources of the guest."},
    ValueMetric{StatsValue::kResourceBytes, "rendercar_resource_bytes", MetricType::Gauge,
                "Host bytes of all resources of the guest."},
    ValueMetric{StatsValue::kContexts, "rendercar_contexts", MetricType::Gauge,
                "3D contexts of the guest."},
    ValueMetric{StatsValue::kRendererUp, "rendercar_renderer_up", MetricType::Gauge,
                "1 when the renderer process runs; 0 also while the guest used no 3D."},
    ValueMetric{StatsValue::kRendererStarts, "rendercar_renderer_starts_total", MetricType::Counter,
                "Starts of the renderer process."},
    ValueMetric{StatsValue::kRendererDeaths, "rendercar_renderer_deaths_total", MetricType::Counter,
                "Renderer processes that ended without being asked to."},
    ValueMetric{StatsValue::kWatchdogKills, "rendercar_watchdog_kills_total", MetricType::Counter,
                "Renderer processes that were killed because they did not answer."},
    ValueMetric{StatsValue::kDeviceResets, "rendercar_device_resets_total", MetricType::Counter,
                "Resets of the device by the guest's driver or firmware."},
};

// KubeVirt's pods are called "virt-launcher-VM-SUFFIX"; empty for others.
std::string VmOf(const std::string& pod) {
  constexpr std::string_view kPrefix = "virt-launcher-";
  const size_t suffix = pod.rfind('-');
  if (pod.rfind(kPrefix, 0) != 0 || suffix < kPrefix.size()) return "";
  return pod.substr(kPrefix.size(), suffix - kPrefix.size());
}

std::vector<ClientMetric::Label> LabelsOf(const SessionStats& one) {
  return {{"namespace", one.user.ns},           {"pod", one.user.pod}, {"vm", VmOf(one.user.pod)},
          {"render_node", NodeIdOf(one.share)}, {"share", one.share},  {"session", one.session}};
}

ClientMetric Sample(std::vector<ClientMetric::Label> labels, MetricType type, double value) {
  ClientMetric metric;
  metric.label = std::move(labels);
  (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  return metric;
}

MetricFamily ValueFamily(const ValueMetric& value, const std::vector<SessionStats>& sessions) {
  MetricFamily family{value.name, value.help, value.type, {}};
  for (const SessionStats& one : sessions) {
    family.metric.push_back(
        Sample(LabelsOf(one), value.type, static_cast<double>(one.stats[value.value])));
  }
  return family;
}

// Zero is left out: most sessions use few of the commands.
MetricFamily CommandFamily(const std::vector<SessionStats>& sessions) {
  MetricFamily family{"rendercar_commands_total",
                      "virtio-gpu commands by command and result.",
                      MetricType::Counter,
                      {}};
  for (const SessionStats& one : sessions) {
    for (size_t c = 0; c < one.stats.commands.size(); ++c) {
      for (size_t r = 0; r < one.stats.commands[c].size(); ++r) {
        if (one.stats.commands[c][r] == 0) continue;
        auto labels = LabelsOf(one);
        labels.push_back({"command", std::string(ToString(static_cast<StatsCommand>(c)))});
        labels.push_back({"result", std::string(ToString(static_cast<StatsResult>(r)))});
        family.metric.push_back(Sample(std::move(labels), MetricType::Counter,
                                       static_cast<double>(one.stats.commands[c][r])));
      }
    }
  }
  return family;
}

MetricFamily ErrorFamily(const std::vector<SessionStats>& sessions) {
  MetricFamily family{"rendercar_guest_errors_total",
                      "What the guest or the VMM did wrong, by kind.",
                      MetricType::Counter,
                      {}};
  for (const SessionStats& one : sessions) {
    for (size_t e = 0; e < one.stats.errors.size(); ++e) {
      if (one.stats.errors[e] == 0) continue;
      auto labels = LabelsOf(one);
      labels.push_back({"kind", std::string(ToString(static_cast<StatsError>(e)))});
      family.metric.push_back(
          Sample(std::move(labels), MetricType::Counter, static_cast<double>(one.stats.errors[e])));
    }
  }
  return family;
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
  for (const ValueMetric& value : kValues) families.push_back(ValueFamily(value, sessions));
  families.push_back(CommandFamily(sessions));
  families.push_back(ErrorFamily(sessions));
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
