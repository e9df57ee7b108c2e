// What RenderPools mean for one node.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/operator/pool_config.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "node/config_file.h"

namespace rendercar::rc_operator {
namespace {

using kube::At;
using kube::Dump;
using kube::Items;
using kube::Number;
using kube::Text;

constexpr char kDefaultResource[] = "rendercar.dev/render";

// Where a field of a pool's spec goes in a resource of the configuration.
struct Field {
  std::array<const char*, 2> from;
  const char* to;
};
constexpr std::array<Field, 8> kFields{{{{"gpus", "select"}, "select"},
                                        {{"gpus", "deny"}, "deny"},
                                        {{"shares", "replicas"}, "replicas"},
                                        {{"shares", "maxPerContainer"}, "maxSharesPerContainer"},
                                        {{"shares", "allowSameGpu"}, "allowSameNode"},
                                        {{"shares", "placement"}, "placement"},
                                        {{"videoMemory", "perShare"}, "videoMemoryPerShare"},
                                        {{"videoMemory", "overcommit"}, "overcommit"}}};
constexpr std::array<Field, 12> kLimits{{{{"limits", "resources"}, "resources"},
                                         {{"limits", "contexts"}, "contexts"},
                                         {{"limits", "attachments"}, "attachments"},
                                         {{"limits", "backingEntries"}, "backing-entries"},
                                         {{"limits", "allBackingEntries"}, "all-backing-entries"},
                                         {{"limits", "submitSize"}, "submit-size"},
                                         {{"limits", "inFlight"}, "in-flight"},
                                         {{"limits", "rendererTime"}, "renderer-time"},
                                         {{"display", "bandwidth"}, "display-bandwidth"},
                                         {{"isolation", "rendererMemory"}, "renderer-memory"},
                                         {{"isolation", "rendererDeaths"}, "renderer-deaths"},
                                         {{"isolation", "watchdogMilliseconds"}, "watchdog-ms"}}};
constexpr std::array<Field, 2> kFailover{
    {{{"failover", "gpus"}, "nodes"}, {{"failover", "software"}, "software"}}};

template <size_t n>
Json Translate(const Json& spec, const std::array<Field, n>& fields) {
  Json made = Json::object();
  for (const Field& field : fields) {
    const Json& value = At(spec, {field.from[0], field.from[1]});
    if (!value.is_null()) made[field.to] = value;
  }
  return made;
}

Json ResourceOf(const Json& pool) {
  const Json& spec = Items(pool, {"spec"});
  Json resource = Translate(spec, kFields);
  resource["name"] = ResourceName(pool);
  resource["limits"] = Translate(spec, kLimits);
  resource["failover"] = Translate(spec, kFailover);
  return resource;
}

// JSON is YAML.
std::string TextOf(const std::vector<Json>& pools) {
  Json text{{"apiVersion", "rendercar.dev/v1alpha1"}, {"kind", "NodeConfig"}};
  text["resources"] = Json::array();
  for (const Json& pool : pools) {
    text["resources"].push_back(ResourceOf(pool));
    const Json& software = At(pool, {"spec", "software"});
    const Json& owner = At(pool, {"spec", "isolation", "sessionOwner"});
    if (!software.is_null() && !text.contains("software")) text["software"] = software;
    if (!owner.is_null() && !text.contains("sessionOwner")) text["sessionOwner"] = owner;
  }
  return Dump(text);
}

bool SaysSoftware(const Json& pool) { return !At(pool, {"spec", "software"}).is_null(); }

}  // namespace

std::string ResourceName(const Json& pool) {
  return Text(pool, {"spec", "resourceName"}, kDefaultResource);
}

bool Selects(const Json& pool, const Json& labels) {
  const Json& wanted = Items(pool, {"spec", "nodeSelector"});
  return std::all_of(wanted.items().begin(), wanted.items().end(), [&labels](const auto& label) {
    return At(labels, {label.key().c_str()}) == label.value();
  });
}

std::vector<Json> PoolsOf(const kube::Informer::Objects& pools, const Json& labels) {
  std::vector<Json> selected;
  for (const auto& [name, pool] : pools)
    if (Selects(pool, labels)) selected.push_back(pool);
  // Objects are in the order of their names.
  std::stable_sort(selected.begin(), selected.end(), [](const Json& a, const Json& b) {
    return Number(a, {"spec", "priority"}) > Number(b, {"spec", "priority"});
  });
  std::set<std::string> taken;
  std::erase_if(selected,
                [&taken](const Json& pool) { return !taken.insert(ResourceName(pool)).second; });
  return selected;
}

absl::StatusOr<std::string> NodeConfig(const std::string& base, const std::vector<Json>& pools) {
  if (pools.empty()) return base;
  RC_ASSIGN_OR_RETURN(node::Config config, node::ParseConfig(base, "the base configuration"));
  RC_ASSIGN_OR_RETURN(node::Config wanted,
                      node::ParseConfig(TextOf(pools), "the RenderPools of this node"));
  config.resources = std::move(wanted.resources);
  if (std::any_of(pools.begin(), pools.end(), SaysSoftware)) config.software = wanted.software;
  if (wanted.session_owner) config.session_owner = wanted.session_owner;
  return node::PrintConfig(config);
}

}  // namespace rendercar::rc_operator
