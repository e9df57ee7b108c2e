// The inventory as people and scripts read it.
// SPDX-License-Identifier: Apache-2.0
#include "node/one_shot.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace rendercar::node {
namespace {

std::string PciId(const RenderNode& node) {
  return node.pci_address.empty() ? ""
                                  : fmt::format("{:04x}:{:04x}", node.pci_vendor, node.pci_device);
}

std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }

}  // namespace

std::string InventoryTable(const std::vector<RenderNode>& nodes, const Config& config) {
  static constexpr char kRow[] = "{:<20} {:<20} {:<12} {:<10} {:<5} {:<22} {:<7} {}\n";
  std::string out =
      fmt::format(kRow, "NODE", "PATH", "DRIVER", "PCI-ID", "NUMA", "RESOURCE", "SHARES", "HEALTH");
  for (const RenderNode& node : nodes) {
    for (const ResourceConfig& resource : config.resources) {
      out += fmt::format(kRow, node.id, node.path, node.driver, OrDash(PciId(node)),
                         node.numa_node < 0 ? "-" : std::to_string(node.numa_node), resource.name,
                         resource.sizes.replicas, node.healthy() ? "healthy" : node.problem);
    }
  }
  if (nodes.empty()) out += "no render node found; --software=always offers the software one\n";
  return out;
}

std::string InventoryJson(const std::vector<RenderNode>& nodes, const Config& config) {
  nlohmann::json json{{"nodes", nlohmann::json::array()}};
  for (const RenderNode& node : nodes) {
    nlohmann::json entry{{"id", node.id},
                         {"path", node.path},
                         {"driver", node.driver},
                         {"software", node.software},
                         {"pci_address", node.pci_address},
                         {"pci_id", PciId(node)},
                         {"numa_node", node.numa_node},
                         {"video_memory_bytes", node.video_memory_bytes},
                         {"healthy", node.healthy()},
                         {"problem", node.problem},
                         {"shares", nlohmann::json::array()}};
    for (const ResourceConfig& resource : config.resources) {
      const ShareTable table({node}, resource.sizes);
      for (const Share& share : table.shares()) {
        entry["shares"].push_back({{"resource", resource.name},
                                   {"id", share.id},
                                   {"video_memory_bytes", share.video_memory_bytes}});
      }
    }
    json["nodes"].push_back(std::move(entry));
  }
  return json.dump(2) + "\n";
}

}  // namespace rendercar::node
