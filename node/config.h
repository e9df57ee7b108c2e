// What an administrator decides about a node: which render nodes are offered, cut how, by what
// policy.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/share_env.h"
#include "node/crash_rate.h"
#include "node/inventory.h"
#include "node/preference.h"
#include "node/share.h"

namespace rendercar::node {

// When the built-in software node is offered.
enum class SoftwareMode {
  kAuto,  // where no render node is found
  kAlways,
  kNever,
};

// How the time of a render node's renderers is shared by its sessions.
enum class Fairness {
  kNone,    // by the driver's scheduler and the limits alone
  kShares,  // each session at most the part that its share is of the node
};

// Describes render nodes by what they are; an empty list or number says nothing about its property.
struct NodeSelector {
  std::vector<std::string> drivers;    // "amdgpu"
  std::vector<std::string> pci_ids;    // "1002:73bf", or "1002:*" for all of a vendor
  std::vector<std::string> addresses;  // PCI addresses or node ids
  uint64_t min_video_memory_bytes = 0;
  uint64_t max_video_memory_bytes = 0;  // 0: none
  std::optional<bool> software;

  bool operator==(const NodeSelector&) const = default;
};

// Whether every property that `selector` speaks of holds; one that says nothing matches all.
bool MatchesAll(const NodeSelector& selector, const RenderNode& node);
// Whether any does; one that says nothing matches none.
bool MatchesAny(const NodeSelector& selector, const RenderNode& node);

// One extended resource.
struct ResourceConfig {
  std::string name = "rendercar.dev/render";
  NodeSelector select;  // all that it says must hold
  NodeSelector deny;    // nothing that it says may hold
  ShareSizes sizes{.replicas = 4};
  uint32_t max_shares_per_container = 8;
  bool allow_same_node = false;
  Placement placement = Placement::kSpread;
  // Limits of each session, by share_env::kLimitNames; what is missing is the backend's.
  std::map<std::string, uint64_t> limits;
  Fairness fairness = Fairness::kNone;
  Failover failover;
  // A host directory with a newer backend, which containers get read-only for upgrades of running
  // sessions; empty: none.
  std::string upgrade_dir;

  bool operator==(const ResourceConfig&) const = default;
};

struct Config {
  SoftwareMode software = SoftwareMode::kAuto;
  // A render node belongs to the first resource that takes it, so that nothing is promised twice.
  std::vector<ResourceConfig> resources{ResourceConfig{}};
  // Ids or PCI addresses of nodes that give out no new share; sessions there go on.
  std::vector<std::string> drain;
  // The only uid that may write into session directories; none: whoever has them mounted.
  std::optional<uint32_t> session_owner;
  // Whether CDI specifications are written, and where; empty: not.
  std::string cdi_dir;
  // When a node on which sessions lose their renderers counts as broken.
  CrashLimit crash_limit;
  // Where node labels are left for Node Feature Discovery; empty: not.
  std::string nfd_dir;

  bool operator==(const Config&) const = default;
};

// Where things are on this host.
struct Places {
  std::string kubelet_dir = "/var/lib/kubelet/device-plugins";
  // The kubelet's plugin-watcher directory: registering there instead of on kubelet.sock; empty:
  // not.
  std::string plugins_registry;
  // The socket that tells which pod has which share; empty: not asked.
  std::string pod_resources_socket = "/var/lib/kubelet/pod-resources/kubelet.sock";
  // The program (rendercar-renderer) that finds out what virglrenderer can give on a node; empty:
  // not asked.
  std::string capset_probe;
  // Where the host's processes are seen; empty: GPU use of sessions is not looked for.
  std::string proc = "/proc";
  std::string session_root = share_env::kHostSessionRoot;
  InventoryRoots roots;
};

// The nodes of the machine as `config` has it: the software node added, drained ones marked.
std::vector<RenderNode> ApplyConfig(std::vector<RenderNode> nodes, const Config& config);

// Those of `nodes` that the resource `index` of `config` offers.
std::vector<RenderNode> NodesOf(const Config& config, size_t index,
                                const std::vector<RenderNode>& nodes);

}  // namespace rendercar::node
