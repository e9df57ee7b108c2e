// Decides what an Allocate request gets: checks it as a whole, then makes directories and answers
// by the contract of common/share_env.h.
// SPDX-License-Identifier: Apache-2.0
#include "node/allocation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <unordered_set>

#include "common/share_env.h"
#include "node/cdi.h"

namespace rendercar::node {
namespace {

constexpr char kSharesAnnotation[] = "rendercar.dev/shares";

constexpr char kTimeLimit[] = "renderer-time";
constexpr uint64_t kAllTime = 100;

// Ids come from a peer: what is repeated in a message is cut.
std::string Quote(const std::string& id) {
  return id.size() <= kMaxShareIdBytes ? fmt::format("'{}'", id)
                                       : fmt::format("'{}...'", id.substr(0, kMaxShareIdBytes));
}

absl::Status CheckCount(const AllocationPolicy& policy, size_t asked) {
  if (asked == 0) {
    return absl::InvalidArgumentError(
        fmt::format("a container asks for no share of {}", policy.resource_name));
  }
  if (asked > policy.max_shares_per_container) {
    return absl::InvalidArgumentError(fmt::format(
        "a container asks for {} shares of {}, the policy allows {} (maxSharesPerContainer)", asked,
        policy.resource_name, policy.max_shares_per_container));
  }
  return absl::OkStatus();
}

absl::Status CheckShare(const ShareTable& table, const AllocationPolicy& policy,
                        const std::string& id) {
  const Share* share = table.Find(id);
  if (share == nullptr) {
    return absl::NotFoundError(fmt::format("{} is no share of {}, which has {} now", Quote(id),
                                           policy.resource_name, table.shares().size()));
  }
  const RenderNode& node = table.NodeOf(*share);
  if (node.healthy()) return absl::OkStatus();
  return absl::UnavailableError(
      fmt::format("share '{}' cannot be used, its render node is unhealthy: {}", id, node.problem));
}

absl::Status CheckContainer(const ShareTable& table, const AllocationPolicy& policy,
                            const std::vector<std::string>& ids,
                            std::unordered_set<std::string>& seen) {
  RC_RETURN_IF_ERROR(CheckCount(policy, ids.size()));
  std::set<size_t> nodes;
  for (const std::string& id : ids) {
    RC_RETURN_IF_ERROR(CheckShare(table, policy, id));
    if (!seen.insert(id).second) {
      return absl::InvalidArgumentError(
          fmt::format("share '{}' is asked for twice in one request", id));
    }
    if (!nodes.insert(table.Find(id)->node_index).second && !policy.allow_same_node) {
      return absl::InvalidArgumentError(
          fmt::format("share '{}' is a second one of the same render node for one container; set "
                      "allowSameNode to permit that",
                      id));
    }
  }
  return absl::OkStatus();
}

// Directories made for a request, removed again unless the request succeeds.
class MadeDirs {
 public:
  explicit MadeDirs(SessionDirs& dirs) : dirs_(dirs) {}
  ~MadeDirs() {
    for (const std::string& path : made_) dirs_.Discard(path);
  }
  absl::StatusOr<std::string> Make(const std::string& share_id) {
    RC_ASSIGN_OR_RETURN(std::string path, dirs_.Make(share_id));
    made_.push_back(path);
    return path;
  }
  void Keep() { made_.clear(); }

 private:
  SessionDirs& dirs_;
  std::vector<std::string> made_;
};

void AddDevice(ContainerGrant& grant, const RenderNode& node, bool use_cdi) {
  if (node.software) return;
  if (use_cdi) {
    const std::string name = CdiName(node);
    const auto& names = grant.cdi_devices;
    if (std::find(names.begin(), names.end(), name) == names.end())
      grant.cdi_devices.push_back(name);
    return;
  }
  for (const ContainerGrant::Device& device : grant.devices) {
    if (device.host_path == node.path) return;
  }
  grant.devices.push_back({node.path, node.path, "rw"});
}

// Healthy nodes beside those that the container was given shares of, with their devices, and
// software.
void AddFailover(ContainerGrant& grant, const ShareTable& table, const AllocationPolicy& policy,
                 const std::vector<std::string>& own_nodes) {
  std::vector<std::string> places;
  for (const RenderNode& node : table.nodes()) {
    const bool own = std::find(own_nodes.begin(), own_nodes.end(), node.path) != own_nodes.end();
    if (!policy.failover.nodes || node.software || !node.healthy() || own) continue;
    places.push_back(node.path);
    AddDevice(grant, node, policy.use_cdi);
  }
  if (policy.failover.software) places.push_back(share_env::kSoftwareNode);
  if (!places.empty())
    grant.envs[share_env::kFailoverNodes] = fmt::format("{}", fmt::join(places, ","));
}

// The part of the time, in percent, that a share is of its render node; of several the least, since
// one limit holds for all sessions of the container.
uint64_t TimePart(const ShareTable& table, const std::vector<std::string>& ids) {
  size_t most = 1;
  for (const std::string& id : ids)
    most = std::max(most, table.CountOf(table.Find(id)->node_index));
  return std::max<uint64_t>(kAllTime / most, 1);
}

void AddLimits(ContainerGrant& grant, const AllocationPolicy& policy, uint64_t time_part) {
  std::map<std::string, uint64_t> numbers = policy.limits;
  if (policy.time_by_shares) {
    uint64_t& time = numbers.try_emplace(kTimeLimit, kAllTime).first->second;
    time = std::min(time, time_part);
  }
  std::vector<std::string> limits;
  for (const auto& [name, value] : numbers) limits.push_back(fmt::format("{}={}", name, value));
  if (!limits.empty()) grant.envs[share_env::kLimits] = fmt::format("{}", fmt::join(limits, ","));
}

absl::StatusOr<ContainerGrant> Grant(const ShareTable& table, const AllocationPolicy& policy,
                                     const std::vector<std::string>& ids, MadeDirs& dirs) {
  ContainerGrant grant;
  std::vector<std::string> nodes;
  std::vector<std::string> places;
  std::vector<uint64_t> bytes;
  for (const std::string& id : ids) {
    const Share& share = *table.Find(id);
    const RenderNode& node = table.NodeOf(share);
    RC_ASSIGN_OR_RETURN(std::string host_dir, dirs.Make(id));
    nodes.push_back(node.path);
    places.push_back(fmt::format("{}/{}", share_env::kContainerSessionRoot, id));
    bytes.push_back(share.video_memory_bytes);
    grant.mounts.push_back({places.back(), std::move(host_dir), false});
    AddDevice(grant, node, policy.use_cdi);
  }
  grant.envs = {
      {share_env::kVersion, share_env::kVersion1},
      {share_env::kShareIds, fmt::format("{}", fmt::join(ids, ","))},
      {share_env::kRenderNodes, fmt::format("{}", fmt::join(nodes, ","))},
      {share_env::kSessionDirs, fmt::format("{}", fmt::join(places, ","))},
      {share_env::kVideoMemoryBytes, fmt::format("{}", fmt::join(bytes, ","))},
  };
  AddLimits(grant, policy, TimePart(table, ids));
  AddFailover(grant, table, policy, nodes);
  if (!policy.upgrade_dir.empty()) {
    grant.mounts.push_back({share_env::kContainerUpgradeDir, policy.upgrade_dir, true});
    grant.envs[share_env::kUpgradeDir] = share_env::kContainerUpgradeDir;
  }
  // For people and plugins at the runtime, who see a container and not its pod's requests.
  grant.annotations = {{kSharesAnnotation, grant.envs[share_env::kShareIds]}};
  return grant;
}

}  // namespace

absl::Status CheckAllocation(const ShareTable& table, const AllocationPolicy& policy,
                             const AllocationRequest& request) {
  if (request.empty()) return absl::InvalidArgumentError("the request names no container");
  std::unordered_set<std::string> seen;
  for (const std::vector<std::string>& ids : request) {
    RC_RETURN_IF_ERROR(CheckContainer(table, policy, ids, seen));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ContainerGrant>> AllocateShares(const ShareTable& table,
                                                           const AllocationPolicy& policy,
                                                           const AllocationRequest& request,
                                                           SessionDirs& dirs) {
  RC_RETURN_IF_ERROR(CheckAllocation(table, policy, request));
  MadeDirs made(dirs);
  std::vector<ContainerGrant> grants;
  for (const std::vector<std::string>& ids : request) {
    RC_ASSIGN_OR_RETURN(ContainerGrant grant, Grant(table, policy, ids, made));
    grants.push_back(std::move(grant));
  }
  made.Keep();
  return grants;
}

}  // namespace rendercar::node
