// The operator of one node.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/operator/operator.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "common/log.h"
#include "node/atomic_file.h"
#include "node/config_file.h"
#include "operator-api/operator/node_api_client.h"
#include "operator-api/operator/pool_config.h"
#include "operator-api/operator/pool_status.h"

namespace rendercar::rc_operator {
namespace {

using std::chrono::milliseconds;

constexpr char kPools[] = "/apis/rendercar.dev/v1alpha1/renderpools";
// How soon a change of pools, node or base configuration reaches the agent.
constexpr milliseconds kConfigPeriod(500);
// The agent may be replaced meanwhile.
constexpr int kFailuresBeforeLost = 3;

std::string NodeSelectorOf(const std::string& node) {
  return "fieldSelector=metadata.name%3D" + node;
}

absl::StatusOr<std::string> ConfigFor(const std::string& base_path,
                                      const kube::Informer::Objects& pools, const Json& labels) {
  RC_ASSIGN_OR_RETURN(const std::string base, node::ReadConfigFile(base_path));
  return NodeConfig(base, PoolsOf(pools, labels));
}

absl::StatusOr<std::string> ConfigNow(const Options& options, kube::ApiClient& client) {
  RC_ASSIGN_OR_RETURN(const Json node, client.Get("/api/v1/nodes/" + options.node));
  RC_ASSIGN_OR_RETURN(const kube::List list, client.ListAll(kPools));
  kube::Informer::Objects pools;
  for (const Json& pool : list.items) pools[kube::Text(pool, {"metadata", "name"})] = pool;
  return ConfigFor(options.base_config, pools, kube::Items(node, {"metadata", "labels"}));
}

}  // namespace

absl::Status WriteConfigOnce(const Options& options) {
  const kube::Stopper never;
  kube::CurlTransport transport(options.server, never);
  // The agent waits for this: one try.
  kube::ApiClient client(transport, [](milliseconds) { return false; });
  auto config = ConfigNow(options, client);
  if (!config.ok()) {
    log::Warning("no configuration by RenderPools",
                 {{"error", std::string(config.status().message())}});
    if (std::filesystem::exists(options.config)) return absl::OkStatus();
    config = node::ReadConfigFile(options.base_config);
  }
  RC_RETURN_IF_ERROR(config.status());
  return node::WriteAtomically(options.config, *config);
}

Operator::Operator(Options options, Report& report)
    : options_(std::move(options)),
      report_(report),
      pools_connection_(options_.server, stopper_),
      node_connection_(options_.server, stopper_),
      pools_(pools_connection_.client, kPools, "", [] {}),
      nodes_(node_connection_.client, "/api/v1/nodes", NodeSelectorOf(options_.node), [] {}) {}

void Operator::Start() {
  threads_.emplace_back([this] { pools_.Run(); });
  threads_.emplace_back([this] { nodes_.Run(); });
  if (!options_.config.empty()) threads_.emplace_back([this] { KeepConfig(); });
  threads_.emplace_back([this] { KeepSessions(); });
  threads_.emplace_back([this] { Lead(); });
}

void Operator::Stop() {
  stopper_.Stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Operator::KeepConfig() {
  Connection connection(options_.server, stopper_);
  do {
    ApplyPools(connection.client);
  } while (stopper_.WaitFor(kConfigPeriod));
}

void Operator::ApplyPools(kube::ApiClient& client) {
  const auto pools = pools_.Snapshot();
  const auto nodes = nodes_.Snapshot();
  const auto node = nodes ? nodes->find(options_.node) : kube::Informer::Objects::const_iterator();
  // As long as the API server says nothing, what is there stays.
  if (!pools || !nodes || node == nodes->end()) return;
  const Json& labels = kube::Items(node->second, {"metadata", "labels"});
  const auto config = ConfigFor(options_.base_config, *pools, labels);
  if (config.ok()) {
    refused_.clear();
    const auto before = node::ReadConfigFile(options_.config);
    if (before.ok() && *before == *config) return;
    report_.ConfigWritten(node::WriteAtomically(options_.config, *config));
    log::Info("configured the node agent", {{"pools", PoolsOf(*pools, labels).size()}});
    return;
  }
  const std::string why(config.status().message());
  if (why == std::exchange(refused_, why)) return;
  log::Error("the RenderPools of this node make no configuration; the last one stays",
             {{"error", why}});
  report_.ConfigWritten(config.status());
  for (const Json& pool : PoolsOf(*pools, labels)) {
    const Regarding about{"RenderPool", "", kube::Text(pool, {"metadata", "name"}),
                          kube::Text(pool, {"metadata", "uid"})};
    report_.Wrote("event", client
                               .Create("/apis/events.k8s.io/v1/namespaces/default/events",
                                       Event(about, options_.node, "ConfigRefused", why,
                                             std::chrono::system_clock::now()))
                               .status());
  }
}

void Operator::KeepSessions() {
  Connection connection(options_.server, stopper_);
  SessionWriter writer(connection.client, report_,
                       {.node = options_.node, .usage_interval = options_.usage_interval});
  int failures = 0;
  do {
    const auto sessions = ListNodeSessions(options_.node_api_socket);
    const Time now = std::chrono::system_clock::now();
    report_.NodeApi(sessions.ok());
    failures = sessions.ok() ? 0 : failures + 1;
    if (sessions.ok()) writer.Sync(*sessions, now);
    if (failures == kFailuresBeforeLost) {
      log::Warning("the node agent does not answer",
                   {{"error", std::string(sessions.status().message())}});
    }
    if (failures >= kFailuresBeforeLost)
      writer.Lost("The node agent does not answer its operator.", now);
  } while (stopper_.WaitFor(options_.session_interval));
}

void Operator::Lead() {
  Connection connection(options_.server, stopper_);
  kube::Elector elector(connection.client, options_.lease);
  PoolWriter writer(connection.client, report_);
  auto next_status = std::chrono::steady_clock::now();
  do {
    elector.Step();
    report_.Leader(elector.IsLeader());
    const auto now = std::chrono::steady_clock::now();
    const auto pools = pools_.Snapshot();
    if (!elector.IsLeader() || !pools || now < next_status) continue;
    next_status = now + options_.pool_status_interval;
    const absl::Status status = writer.Step(*pools, std::chrono::system_clock::now());
    if (!status.ok())
      log::Warning("cannot write the status of RenderPools",
                   {{"error", std::string(status.message())}});
  } while (stopper_.WaitFor(elector.Pause()));
  // The stop ends all requests of that connection; this one is for the successor.
  const kube::Stopper never;
  kube::CurlTransport transport(options_.server, never);
  kube::ApiClient client(transport, [](milliseconds) { return false; });
  elector.Release(client);
}

}  // namespace rendercar::rc_operator
