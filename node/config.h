// What an administrator decides about a node: which render nodes are offered, cut how, by what
// policy. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/share_env.h"
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

// One extended resource.
struct ResourceConfig {
  std::string name = "rendercar.dev/render";
  ShareSizes sizes{.replicas = 4};
  uint32_t max_shares_per_container = 8;
  bool allow_same_node = false;
  Placement placement = Placement::kSpread;
};

struct Config {
  SoftwareMode software = SoftwareMode::kAuto;
  std::vector<ResourceConfig> resources{ResourceConfig{}};
};

// Where things are on this host.
struct Places {
  std::string kubelet_dir = "/var/lib/kubelet/device-plugins";
  std::string session_root = share_env::kHostSessionRoot;
  InventoryRoots roots;
};

// Adds the software node to `nodes` as `mode` says.
std::vector<RenderNode> WithSoftware(std::vector<RenderNode> nodes, SoftwareMode mode);

}  // namespace rendercar::node
