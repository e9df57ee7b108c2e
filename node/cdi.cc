// Render nodes as the Container Device Interface describes them, for runtimes that resolve names.
// SPDX-License-Identifier: Apache-2.0
#include "node/cdi.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "node/atomic_file.h"

namespace rendercar::node {
namespace {

constexpr unsigned kGroupMode = 0660;
constexpr unsigned kOpenMode = 0666;

std::string SpecPath(const std::string& directory) {
  return directory + "/rendercar.dev-render.json";
}

// The host's group of the device file; 0 (root's) also when it cannot be seen.
gid_t GroupOf(const RenderNode& node, const InventoryRoots& roots) {
  const std::string name = std::filesystem::path(node.path).filename().string();
  struct stat info {};
  return ::stat((roots.dev + "/dri/" + name).c_str(), &info) == 0 ? info.st_gid : 0;
}

nlohmann::json Edits(const RenderNode& node, const InventoryRoots& roots) {
  const gid_t group = GroupOf(node, roots);
  nlohmann::json device{{"path", node.path},
                        {"hostPath", node.path},
                        {"type", "c"},
                        {"permissions", "rw"},
                        {"fileMode", group == 0 ? kOpenMode : kGroupMode}};
  nlohmann::json edits{{"deviceNodes", nlohmann::json::array()}};
  if (group != 0) {
    device["gid"] = group;
    edits["additionalGids"] = {group};
  }
  edits["deviceNodes"].push_back(std::move(device));
  return edits;
}

}  // namespace

std::string CdiName(const RenderNode& node) { return fmt::format("{}={}", kCdiKind, node.id); }

std::string CdiSpec(const std::vector<RenderNode>& nodes, const InventoryRoots& roots) {
  nlohmann::json devices = nlohmann::json::array();
  for (const RenderNode& node : nodes) {
    if (node.software) continue;
    devices.push_back({{"name", node.id}, {"containerEdits", Edits(node, roots)}});
  }
  const nlohmann::json spec{{"cdiVersion", "0.7.0"}, {"kind", kCdiKind}, {"devices", devices}};
  return spec.dump(2) + "\n";
}

absl::Status UpdateCdi(const std::string& directory, const std::vector<RenderNode>& nodes,
                       const InventoryRoots& roots) {
  const bool any = std::any_of(nodes.begin(), nodes.end(),
                               [](const RenderNode& node) { return !node.software; });
  if (any) return WriteAtomically(SpecPath(directory), CdiSpec(nodes, roots));
  RemoveCdi(directory);
  return absl::OkStatus();
}

void RemoveCdi(const std::string& directory) { RemoveFile(SpecPath(directory)); }

}  // namespace rendercar::node
