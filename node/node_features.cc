// What this node has, as labels that Node Feature Discovery puts on the Kubernetes node.
// SPDX-License-Identifier: Apache-2.0
#include "node/node_features.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "node/atomic_file.h"

namespace rendercar::node {
namespace {

constexpr char kDomain[] = "rendercar.dev/";
constexpr size_t kMaxLabelNameBytes = 63;

using Labels = std::map<std::string, std::string>;

void AddNodeLabels(Labels& labels, const RenderNode& node) {
  labels["driver." + node.driver] = "true";
  if (!node.pci_address.empty()) {
    labels[fmt::format("model.{:04x}-{:04x}", node.pci_vendor, node.pci_device)] = "true";
  }
}

// "render" for rendercar.dev/render, "example.com.gpu" for another domain.
std::string ShortName(const std::string& resource) {
  std::string name = resource;
  if (name.rfind(kDomain, 0) == 0) name.erase(0, sizeof(kDomain) - 1);
  std::replace(name.begin(), name.end(), '/', '.');
  return name;
}

}  // namespace

std::string NodeFeatures(const std::vector<RenderNode>& nodes, const Config& config) {
  Labels labels{{"render-nodes", std::to_string(nodes.size())}};
  for (const RenderNode& node : nodes) AddNodeLabels(labels, node);
  for (size_t i = 0; i < config.resources.size(); ++i) {
    const ResourceConfig& resource = config.resources[i];
    const ShareTable table(NodesOf(config, i, nodes), resource.sizes);
    const std::string name = ShortName(resource.name);
    labels["shares." + name] = std::to_string(table.shares().size());
    uint64_t least = 0;  // nodes may differ; a pod can count on the smallest
    for (const Share& share : table.shares()) {
      if (least == 0 || share.video_memory_bytes < least) least = share.video_memory_bytes;
    }
    if (least != 0) labels["share-mib." + name] = std::to_string(least >> 20);
  }
  std::string out;
  for (const auto& [name, value] : labels) {
    if (name.size() <= kMaxLabelNameBytes) out += fmt::format("{}{}={}\n", kDomain, name, value);
  }
  return out;
}

absl::Status UpdateNodeFeatures(const std::string& directory, const std::vector<RenderNode>& nodes,
                                const Config& config) {
  return WriteAtomically(directory + "/rendercar", NodeFeatures(nodes, config));
}

void RemoveNodeFeatures(const std::string& directory) { RemoveFile(directory + "/rendercar"); }

}  // namespace rendercar::node
