// Counts and logs what happens in the node agent.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <map>
#include <memory>
#include <string>

#include "node/report.h"

namespace rendercar::node {

// Metrics are counted here, at the event. Loop only; the registry may be read from any thread.
class NodeMetrics final : public Report {
 public:
  NodeMetrics();

  const std::shared_ptr<prometheus::Registry>& registry() const { return registry_; }

  void SharesChanged(const std::string& resource, const ShareTable& table) override;
  void ResourceRemoved(const std::string& resource) override;
  void Probed(const RenderNode& node, const absl::StatusOr<ProbeResult>& result) override;
  void ConfigRead(const absl::Status& result) override;
  void DriverEvent(const std::string& device, DriverEventKind kind,
                   const std::string& detail) override;
  void KubeletRestarted() override;
  void Allocated(const std::string& resource, size_t shares, const absl::Status& result) override;
  void RegistrationTried(const std::string& resource, const absl::Status& result) override;
  void Registered(const std::string& resource) override;
  void RegistrationLost(const std::string& resource, const std::string& why) override;
  void SocketRestored(const std::string& resource, const std::string& path) override;

 private:
  using Counters = prometheus::Family<prometheus::Counter>;
  using Gauges = prometheus::Family<prometheus::Gauge>;

  Gauges& AddGauge(const char* name, const char* help);
  Counters& AddCounter(const char* name, const char* help);
  void SetNode(const std::string& resource, const RenderNode& node, size_t shares);

  const std::shared_ptr<prometheus::Registry> registry_;
  Gauges& node_healthy_;
  Gauges& shares_;
  Counters& allocations_;
  Counters& allocated_shares_;
  Gauges& registered_;
  Counters& registrations_;
  Counters& sockets_restored_;
  Counters& kubelet_restarts_;
  Counters& driver_events_;
  Gauges& config_valid_;
  Gauges& node_info_;
  std::map<std::string, prometheus::Gauge*> info_series_;
  // The series of render nodes by resource, so that those of a node that went can go too.
  std::map<std::string, std::vector<std::pair<prometheus::Gauge*, Gauges*>>> node_series_;
  std::map<std::string, std::map<std::string, std::string>> problems_;
  // The last failure of each resource, so that a retry every second is one line.
  std::map<std::string, std::string> last_failure_;
};

}  // namespace rendercar::node
