// What the leader says of RenderPools.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/operator/pool_status.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "operator-api/operator/pool_config.h"

namespace rendercar::rc_operator {
namespace {

using kube::At;
using kube::Items;
using kube::Number;
using kube::Text;

// What is seen of one pool.
struct Seen {
  int64_t nodes = 0;
  int64_t shares = 0;
  int64_t sessions = 0;
  int64_t ready = 0;
  std::string rival;  // a pool that has the name of its resource on a node of both
};

bool IsReady(const Json& session) {
  for (const Json& each : Items(session, {"status", "conditions"}))
    if (Text(each, {"type"}) == "Ready") return Text(each, {"status"}) == "True";
  return false;
}

int64_t SharesOf(const Json& node, const std::string& resource) {
  const std::string text = Text(node, {"status", "allocatable", resource.c_str()});
  int64_t shares = 0;
  std::from_chars(text.data(), text.data() + text.size(), shares);
  return std::clamp<int64_t>(shares, 0, 1'000'000);
}

// The pool that gives a node this resource, by name.
std::string Winner(const Cluster& cluster, const Json& labels, const std::string& resource) {
  for (const Json& pool : PoolsOf(cluster.pools, labels))
    if (ResourceName(pool) == resource) return Text(pool, {"metadata", "name"});
  return "";
}

Seen See(const Json& pool, const Cluster& cluster) {
  Seen seen;
  const std::string resource = ResourceName(pool);
  std::set<std::string> nodes;
  for (const Json& node : cluster.nodes) {
    const Json& labels = Items(node, {"metadata", "labels"});
    if (!Selects(pool, labels)) continue;
    ++seen.nodes;
    const std::string winner = Winner(cluster, labels, resource);
    if (winner != Text(pool, {"metadata", "name"})) {
      seen.rival = winner;
      continue;
    }
    seen.shares += SharesOf(node, resource);
    nodes.insert(Text(node, {"metadata", "name"}));
  }
  for (const Json& session : cluster.sessions) {
    if (Text(session, {"spec", "resourceName"}) != resource) continue;
    if (nodes.count(Text(session, {"spec", "nodeName"})) == 0) continue;
    ++seen.sessions;
    seen.ready += IsReady(session) ? 1 : 0;
  }
  return seen;
}

Json ReadyOf(const Seen& seen, const Json& pool, Time now) {
  const Json& old = At(pool, {"status"});
  const auto say = [&](bool holds, const char* reason, const std::string& message) {
    return Condition("Ready", holds, reason, message, old, now);
  };
  if (seen.nodes == 0) return say(false, "NoNodes", "No node has the labels of spec.nodeSelector.");
  if (!seen.rival.empty()) {
    return say(false, "ResourceNameTaken",
               fmt::format("RenderPool {} offers {} on a node of both and comes first; choose "
                           "another resourceName or nodeSelector.",
                           seen.rival, ResourceName(pool)));
  }
  if (seen.shares == 0)
    return say(false, "NoShares", "No kubelet of these nodes offers a share; see their agents.");
  return say(true, "Offered", fmt::format("{} nodes offer {} shares.", seen.nodes, seen.shares));
}

}  // namespace

Json PoolStatus(const Json& pool, const Cluster& cluster, Time now) {
  const Seen seen = See(pool, cluster);
  const int64_t generation = Number(pool, {"metadata", "generation"});
  Json ready = ReadyOf(seen, pool, now);
  ready["observedGeneration"] = generation;
  return {{"observedGeneration", generation},
          {"nodes", seen.nodes},
          {"shares", seen.shares},
          {"sessions", seen.sessions},
          {"readySessions", seen.ready},
          {"conditions", Json::array({ready})}};
}

std::vector<Json> Orphans(const Cluster& cluster) {
  std::set<std::string> nodes;
  for (const Json& node : cluster.nodes) nodes.insert(Text(node, {"metadata", "name"}));
  std::vector<Json> orphans;
  for (const Json& session : cluster.sessions)
    if (nodes.count(Text(session, {"spec", "nodeName"})) == 0) orphans.push_back(session);
  return orphans;
}

absl::Status PoolWriter::Write(const std::string& name, const Json& status) {
  const Json object{{"apiVersion", kApiVersion},
                    {"kind", "RenderPool"},
                    {"metadata", {{"name", name}}},
                    {"status", status}};
  const absl::Status written =
      client_.Apply(fmt::format("/apis/rendercar.dev/v1alpha1/renderpools/{}/status", name), object)
          .status();
  report_.Wrote("pool", written);
  // It was deleted meanwhile.
  return absl::IsNotFound(written) ? absl::OkStatus() : written;
}

absl::Status PoolWriter::Step(kube::Informer::Objects pools, Time now) {
  RC_ASSIGN_OR_RETURN(const kube::List sessions,
                      client_.ListAll("/apis/rendercar.dev/v1alpha1/gpusessions"));
  // After the sessions: a node that is new since has no sessions that would look like orphans.
  RC_ASSIGN_OR_RETURN(const kube::List nodes, client_.ListAll("/api/v1/nodes"));
  // This runs on one: what follows would take every session for one of a node that is gone.
  if (nodes.items.empty()) return absl::UnavailableError("the API server lists no nodes");
  const Cluster cluster{std::move(pools), nodes.items, sessions.items};
  absl::Status status;
  for (const auto& [name, pool] : cluster.pools) {
    const Json wanted = PoolStatus(pool, cluster, now);
    if (wanted != At(pool, {"status"})) status.Update(Write(name, wanted));
  }
  for (const Json& orphan : Orphans(cluster)) {
    const absl::Status deleted = client_.Delete(
        fmt::format("/apis/rendercar.dev/v1alpha1/namespaces/{}/gpusessions/{}",
                    Text(orphan, {"metadata", "namespace"}), Text(orphan, {"metadata", "name"})));
    report_.Wrote("deletion", deleted);
    status.Update(deleted);
  }
  return status;
}

}  // namespace rendercar::rc_operator
