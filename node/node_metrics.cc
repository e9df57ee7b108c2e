// Counts and logs what happens in the node agent.
// SPDX-License-Identifier: Apache-2.0
#include "node/node_metrics.h"

#include <fmt/format.h>

#include "common/log.h"
#include "common/version.h"

namespace rendercar::node {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;

std::string ResultLabel(const absl::Status& result) {
  return result.ok() ? "ok" : absl::StatusCodeToString(result.code());
}

}  // namespace

NodeMetrics::NodeMetrics()
    : registry_(std::make_shared<prometheus::Registry>()),
      node_healthy_(BuildGauge()
                        .Name("rendercar_node_render_node_healthy")
                        .Help("1 while the render node can be used, 0 while it cannot.")
                        .Register(*registry_)),
      shares_(BuildGauge()
                  .Name("rendercar_node_shares")
                  .Help("Shares of a render node, by the state that the kubelet is told.")
                  .Register(*registry_)),
      allocations_(BuildCounter()
                       .Name("rendercar_node_allocations_total")
                       .Help("Allocate calls of the kubelet, by result.")
                       .Register(*registry_)),
      allocated_shares_(BuildCounter()
                            .Name("rendercar_node_allocated_shares_total")
                            .Help("Shares that successful Allocate calls gave out.")
                            .Register(*registry_)),
      registered_(BuildGauge()
                      .Name("rendercar_node_registered")
                      .Help("1 while the kubelet knows the resource, 0 while it does not.")
                      .Register(*registry_)),
      registrations_(BuildCounter()
                         .Name("rendercar_node_registrations_total")
                         .Help("Attempts to register with the kubelet, by result.")
                         .Register(*registry_)),
      sockets_restored_(
          BuildCounter()
              .Name("rendercar_node_sockets_restored_total")
              .Help("Times that the plugin's socket was removed by others and made again.")
              .Register(*registry_)) {
  BuildGauge()
      .Name("rendercar_build_info")
      .Help("1; the label says which build runs.")
      .Register(*registry_)
      .Add({{"component", "node"}, {"version", kVersion}})
      .Set(1);
}

void NodeMetrics::SharesChanged(const std::string& resource, const ShareTable& table) {
  for (const auto& [gauge, family] : node_series_[resource]) family->Remove(gauge);
  node_series_[resource].clear();
  std::map<std::string, std::string> problems;
  const size_t each = table.nodes().empty() ? 0 : table.shares().size() / table.nodes().size();
  for (const RenderNode& node : table.nodes()) {
    SetNode(resource, node, each);
    problems[node.id] = node.problem;
  }
  for (const auto& [id, problem] : problems_[resource]) {
    if (problems.count(id) == 0) {
      log::Warning("render node is gone", {{"node", id}, {"resource", resource}});
    }
  }
  problems_[resource] = std::move(problems);
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
