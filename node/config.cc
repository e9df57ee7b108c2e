// What an administrator decides about a node: which render nodes are offered, cut how, by what
// policy.
// SPDX-License-Identifier: Apache-2.0
#include "node/config.h"

#include <fmt/format.h>

#include <algorithm>

namespace rendercar::node {
namespace {

bool Contains(const std::vector<std::string>& list, const std::string& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

bool PciIdIn(const std::vector<std::string>& ids, const RenderNode& node) {
  return !node.pci_address.empty() &&
         (Contains(ids, fmt::format("{:04x}:{:04x}", node.pci_vendor, node.pci_device)) ||
          Contains(ids, fmt::format("{:04x}:*", node.pci_vendor)));
}

bool AddressIn(const std::vector<std::string>& addresses, const RenderNode& node) {
  return Contains(addresses, node.id) ||
         (!node.pci_address.empty() && Contains(addresses, node.pci_address));
}

// What each property that the selector speaks of says about the node.
std::vector<bool> Verdicts(const NodeSelector& selector, const RenderNode& node) {
  std::vector<bool> verdicts;
  if (!selector.drivers.empty()) verdicts.push_back(Contains(selector.drivers, node.driver));
  if (!selector.pci_ids.empty()) verdicts.push_back(PciIdIn(selector.pci_ids, node));
  if (!selector.addresses.empty()) verdicts.push_back(AddressIn(selector.addresses, node));
  if (selector.min_video_memory_bytes != 0) {
    verdicts.push_back(node.video_memory_bytes >= selector.min_video_memory_bytes);
  }
  if (selector.max_video_memory_bytes != 0) {
    verdicts.push_back(node.video_memory_bytes <= selector.max_video_memory_bytes);
  }
  if (selector.software.has_value()) verdicts.push_back(node.software == *selector.software);
  return verdicts;
}

bool Takes(const ResourceConfig& resource, const RenderNode& node) {
  return MatchesAll(resource.select, node) && !MatchesAny(resource.deny, node);
}

}  // namespace

bool MatchesAll(const NodeSelector& selector, const RenderNode& node) {
  const std::vector<bool> verdicts = Verdicts(selector, node);
  return std::find(verdicts.begin(), verdicts.end(), false) == verdicts.end();
}

bool MatchesAny(const NodeSelector& selector, const RenderNode& node) {
  const std::vector<bool> verdicts = Verdicts(selector, node);
  return std::find(verdicts.begin(), verdicts.end(), true) != verdicts.end();
}

std::vector<RenderNode> ApplyConfig(std::vector<RenderNode> nodes, const Config& config) {
  if (config.software == SoftwareMode::kAlways ||
      (config.software == SoftwareMode::kAuto && nodes.empty())) {
    nodes.push_back(SoftwareRenderNode());
  }
  for (RenderNode& node : nodes) {
    if (AddressIn(config.drain, node)) {
      node.SetProblem(ProblemKind::kDrained, "it is being drained (drain)");
    }
  }
  return nodes;
}

std::vector<RenderNode> NodesOf(const Config& config, size_t index,
                                const std::vector<RenderNode>& nodes) {
  std::vector<RenderNode> taken;
  for (const RenderNode& node : nodes) {
    const auto first =
        std::find_if(config.resources.begin(), config.resources.end(),
                     [&](const ResourceConfig& resource) { return Takes(resource, node); });
    if (first - config.resources.begin() == static_cast<std::ptrdiff_t>(index)) {
      taken.push_back(node);
    }
  }
  return taken;
}

}  // namespace rendercar::node
