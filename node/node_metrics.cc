// Counts and logs what happens in the node agent.
// SPDX-License-Identifier: Apache-2.0
#include "node/node_metrics.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/log.h"
#include "common/version.h"

namespace rendercar::node {
namespace {

const char* ToString(Report::DriverEventKind kind) {
  switch (kind) {
    case Report::DriverEventKind::kReset:
      return "reset";
    case Report::DriverEventKind::kWedged:
      return "wedged";
    case Report::DriverEventKind::kRecovered:
      return "recovered";
  }
  return "unknown";
}

std::string ResultLabel(const absl::Status& result) {
  return result.ok() ? "ok" : absl::StatusCodeToString(result.code());
}

}  // namespace

NodeMetrics::NodeMetrics()
    : registry_(std::make_shared<prometheus::Registry>()),
      node_healthy_(AddGauge("rendercar_node_render_node_healthy",
                             "1 while the render node can be used, 0 while it cannot.")),
      shares_(AddGauge("rendercar_node_shares",
                       "Shares of a render node, by the state that the kubelet is told.")),
      allocations_(AddCounter("rendercar_node_allocations_total",
                              "Allocate calls of the kubelet, by result.")),
      allocated_shares_(AddCounter("rendercar_node_allocated_shares_total",
                                   "Shares that successful Allocate calls gave out.")),
      registered_(AddGauge("rendercar_node_registered",
                           "1 while the kubelet knows the resource, 0 while it does not.")),
      registrations_(AddCounter("rendercar_node_registrations_total",
                                "Attempts to register with the kubelet, by result.")),
      sockets_restored_(
          AddCounter("rendercar_node_sockets_restored_total",
                     "Times that the plugin's socket was removed by others and made again.")),
      kubelet_restarts_(AddCounter("rendercar_node_kubelet_restarts_total",
                                   "Times that a kubelet appeared where one had been.")),
      driver_events_(AddCounter("rendercar_node_driver_events_total",
                                "What the kernel told of GPU drivers, by event.")),
      config_valid_(
          AddGauge("rendercar_node_config_valid",
                   "1 while the newest configuration is in force, 0 while it is refused.")),
      node_info_(AddGauge("rendercar_node_render_node_info",
                          "What virglrenderer found on the render node; always 1.")) {
  config_valid_.Add({}).Set(1);
  kubelet_restarts_.Add({});
  AddGauge("rendercar_build_info", "1; the label says which build runs.")
      .Add({{"component", "node"}, {"version", kVersion}})
      .Set(1);
}

NodeMetrics::Gauges& NodeMetrics::AddGauge(const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(*registry_);
}

NodeMetrics::Counters& NodeMetrics::AddCounter(const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(*registry_);
}

void NodeMetrics::SharesChanged(const std::string& resource, const ShareTable& table) {
  registered_.Add({{"resource", resource}});  // 0 is told before the first kubelet is seen
  for (const auto& [gauge, family] : node_series_[resource]) family->Remove(gauge);
  node_series_[resource].clear();
  std::map<std::string, std::string> problems;
  for (size_t i = 0; i < table.nodes().size(); ++i) {
    SetNode(resource, table.nodes()[i], table.CountOf(i));
    problems[table.nodes()[i].id] = table.nodes()[i].problem;
  }
  for (const auto& [id, problem] : problems_[resource]) {
    if (problems.count(id) == 0) {
      log::Warning("render node is gone", {{"node", id}, {"resource", resource}});
    }
  }
  problems_[resource] = std::move(problems);
  registered_.Add({{"resource", resource}});  // there as 0 before it is 1 for the first time
}

void NodeMetrics::ResourceRemoved(const std::string& resource) {
  for (const auto& [gauge, family] : node_series_[resource]) family->Remove(gauge);
  node_series_.erase(resource);
  problems_.erase(resource);
  registered_.Remove(&registered_.Add({{"resource", resource}}));
  log::Info("resource is offered no longer", {{"resource", resource}});
}

void NodeMetrics::Probed(const RenderNode& node, const absl::StatusOr<ProbeResult>& result) {
  if (!result.ok()) {
    log::Warning("the render node's 3D could not be probed",
                 {{"node", node.id}, {"why", std::string(result.status().message())}});
    return;
  }
  const std::string capsets = fmt::format("{}", fmt::join(result->capsets, ","));
  log::Info("render node probed",
            {{"node", node.id}, {"gl_renderer", result->gl_renderer}, {"capsets", capsets}});
  prometheus::Gauge*& series = info_series_[node.id];
  if (series != nullptr) node_info_.Remove(series);
  series = &node_info_.Add({{"render_node", node.id},
                            {"driver", node.driver},
                            {"gl_renderer", result->gl_renderer},
                            {"capsets", capsets}});
  series->Set(1);
}

void NodeMetrics::ConfigRead(const absl::Status& result) {
  config_valid_.Add({}).Set(result.ok() ? 1 : 0);
  if (result.ok()) {
    log::Info("the configuration is in force");
  } else {
    log::Error("the configuration is refused, the old one stays in force",
               {{"why", std::string(result.message())}});
  }
}

void NodeMetrics::SetNode(const std::string& resource, const RenderNode& node, size_t shares) {
  const auto add = [&](Gauges& family, prometheus::Labels labels, double value) {
    labels.insert({{"resource", resource}, {"render_node", node.id}, {"driver", node.driver}});
    prometheus::Gauge& gauge = family.Add(labels);
    gauge.Set(value);
    node_series_[resource].emplace_back(&gauge, &family);
  };
  const double count = static_cast<double>(shares);
  add(node_healthy_, {}, node.healthy() ? 1 : 0);
  add(shares_, {{"state", "healthy"}}, node.healthy() ? count : 0);
  add(shares_, {{"state", "unhealthy"}}, node.healthy() ? 0 : count);
  const auto& known = problems_[resource];
  const auto before = known.find(node.id);
  if (before != known.end() && before->second == node.problem) return;
  if (!node.healthy()) {
    log::Warning("render node is unhealthy",
                 {{"node", node.id}, {"resource", resource}, {"why", node.problem}});
  } else if (before != known.end()) {
    log::Info("render node is healthy again", {{"node", node.id}, {"resource", resource}});
  } else {
    log::Info("render node is offered", {{"node", node.id},
                                         {"resource", resource},
                                         {"path", node.path},
                                         {"driver", node.driver},
                                         {"shares", shares}});
  }
}

void NodeMetrics::DriverEvent(const std::string& device, DriverEventKind kind,
                              const std::string& detail) {
  driver_events_.Add({{"device", device}, {"event", ToString(kind)}}).Increment();
  log::Warning("a GPU's driver tells of itself",
               {{"device", device}, {"event", ToString(kind)}, {"needs", detail}});
}

void NodeMetrics::KubeletRestarted() {
  kubelet_restarts_.Add({}).Increment();
  log::Info("the kubelet was started again");
}

void NodeMetrics::Allocated(const std::string& resource, size_t shares,
                            const absl::Status& result) {
  allocations_.Add({{"resource", resource}, {"result", ResultLabel(result)}}).Increment();
  if (result.ok()) {
    allocated_shares_.Add({{"resource", resource}}).Increment(static_cast<double>(shares));
    log::Info("allocated", {{"resource", resource}, {"shares", shares}});
  } else {
    log::Warning("allocation refused",
                 {{"resource", resource}, {"why", std::string(result.message())}});
  }
}

void NodeMetrics::RegistrationTried(const std::string& resource, const absl::Status& result) {
  registrations_.Add({{"resource", resource}, {"result", ResultLabel(result)}}).Increment();
  const std::string failure(result.message());
  if (!result.ok() && last_failure_[resource] != failure) {
    log::Warning("the kubelet did not register the resource, trying again",
                 {{"resource", resource}, {"why", failure}});
  }
  last_failure_[resource] = failure;
}

void NodeMetrics::Registered(const std::string& resource) {
  registered_.Add({{"resource", resource}}).Set(1);
  log::Info("registered with the kubelet", {{"resource", resource}});
}

void NodeMetrics::RegistrationLost(const std::string& resource, const std::string& why) {
  registered_.Add({{"resource", resource}}).Set(0);
  log::Info("no longer registered with the kubelet", {{"resource", resource}, {"why", why}});
}

void NodeMetrics::SocketRestored(const std::string& resource, const std::string& path) {
  sockets_restored_.Add({{"resource", resource}}).Increment();
  log::Info("the socket was removed and is made again", {{"resource", resource}, {"path", path}});
}

}  // namespace rendercar::node
