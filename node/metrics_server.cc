// Serves /metrics and /healthz over HTTP.
// SPDX-License-Identifier: Apache-2.0
#include "node/metrics_server.h"

#include <fmt/format.h>
#include <prometheus/metric_family.h>

#include <chrono>
#include <exception>
#include <future>
#include <utility>
#include <vector>

namespace rendercar::node {
namespace {

// Nothing to collect: the answer itself says that the process is alive and its loop turns.
class LoopHealth final : public prometheus::Collectable {
 public:
  explicit LoopHealth(EventLoop& loop) : loop_(loop) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    auto turned = std::make_shared<std::promise<void>>();
    auto future = turned->get_future();
    loop_.Post([turned] { turned->set_value(); });
    future.wait_for(std::chrono::seconds(3));
    return {};
  }

 private:
  EventLoop& loop_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(
    EventLoop& loop, const std::string& address,
    const std::vector<std::shared_ptr<prometheus::Collectable>>& metrics) {
  try {
    auto exposer = std::make_unique<prometheus::Exposer>(address, 2);
    std::unique_ptr<MetricsServer> server(new MetricsServer(std::move(exposer)));
    server->collectables_ = metrics;
    for (const auto& one : metrics) server->exposer_->RegisterCollectable(one, "/metrics");
    server->collectables_.push_back(std::make_shared<LoopHealth>(loop));
    server->exposer_->RegisterCollectable(server->collectables_.back(), "/healthz");
    return server;
  } catch (const std::exception& error) {
    return absl::UnavailableError(
        fmt::format("cannot serve metrics on '{}' ({}); is the port taken? --metrics-address names "
                    "another, or 'none'",
                    address, error.what()));
  }
}

}  // namespace rendercar::node
