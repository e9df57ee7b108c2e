// The inventory as people and scripts read it.
// SPDX-License-Identifier: Apache-2.0
#include "node/one_shot.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "node/node_sensors.h"

namespace rendercar::node {
namespace {

std::string PciId(const RenderNode& node) {
  return node.pci_address.empty() ? ""
                                  : fmt::format("{:04x}:{:04x}", node.pci_vendor, node.pci_device);
}

// null: the driver does not tell.
template <typename T>
nlohmann::json OrNull(const std::optional<T>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }

// The resource that offers the node; nullptr when none does.
const ResourceConfig* ResourceOf(const Config& config, const RenderNode& node) {
  for (size_t i = 0; i < config.resources.size(); ++i) {
    if (!NodesOf(config, i, {node}).empty()) return &config.resources[i];
  }
  return nullptr;
}

nlohmann::json Shares(const RenderNode& node, const ResourceConfig* resource) {
  nlohmann::json shares = nlohmann::json::array();
  if (resource == nullptr) return shares;
  const ShareTable table({node}, resource->sizes);
  for (const Share& share : table.shares()) {
    shares.push_back({{"id", share.id}, {"video_memory_bytes", share.video_memory_bytes}});
  }
  return shares;
}

}  // namespace

std::string InventoryTable(const std::vector<RenderNode>& nodes, const Config& config) {
  static constexpr char kRow[] = "{:<20} {:<20} {:<12} {:<10} {:<5} {:<24} {:<7} {}\n";
  std::string out =
      fmt::format(kRow, "NODE", "PATH", "DRIVER", "PCI-ID", "NUMA", "RESOURCE", "SHARES", "HEALTH");
  for (const RenderNode& node : nodes) {
    const ResourceConfig* resource = ResourceOf(config, node);
    out += fmt::format(kRow, node.id, node.path, node.driver, OrDash(PciId(node)),
                       node.numa_node < 0 ? "-" : std::to_string(node.numa_node),
                       resource == nullptr ? "-" : resource->name,
                       resource == nullptr ? 0 : ShareCount(resource->sizes, node),
                       node.healthy() ? "healthy" : node.problem);
  }
  if (nodes.empty()) out += "no render node found; --software=always offers the software one\n";
  return out;
}

std::string InventoryJson(const std::vector<RenderNode>& nodes, const Config& config) {
  nlohmann::json json{{"nodes", nlohmann::json::array()}};
  for (const RenderNode& node : nodes) {
    const ResourceConfig* resource = ResourceOf(config, node);
    const Sensors sensors = ReadSensors(node);
    json["nodes"].push_back({{"id", node.id},
                             {"path", node.path},
                             {"driver", node.driver},
                             {"software", node.software},
                             {"pci_address", node.pci_address},
                             {"pci_id", PciId(node)},
                             {"numa_node", node.numa_node},
                             {"video_memory_bytes", node.video_memory_bytes},
                             {"video_memory_used_bytes", OrNull(sensors.video_memory_used_bytes)},
                             {"temperature_celsius", OrNull(sensors.temperature_celsius)},
                             {"healthy", node.healthy()},
                             {"problem", node.problem},
                             {"problem_kind", std::string(ToString(node.problem_kind))},
                             {"resource", resource == nullptr ? "" : resource->name},
                             {"shares", Shares(node, resource)}});
  }
  return json.dump(2) + "\n";
}

}  // namespace rendercar::node
