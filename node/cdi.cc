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

// Within the container only, whose runtime makes the file there: an unprivileged uid opens it. The
// host's file keeps its mode.
constexpr unsigned kMode = 0666;

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
  return {{"deviceNodes",
           {{{"path", node.path},
             {"hostPath", node.path},
             {"type", "c"},
             {"permissions", "rw"},
             {"fileMode", kMode},
             {"gid", GroupOf(node, roots)}}}}};
}

}  // namespace

std::string CdiName(const RenderNode& node) { return fmt::format("{}={}", kCdiKind, node.id); }

std::string CdiSpec(const std::vector<RenderNode>& nodes, const InventoryRoots& roots) {
  nlohmann::json devices = nlohmann::json::array();
  for (const RenderNode& node : nodes) {
    if (node.software) continue;
    devices.push_back({{"name", node.id}, {"containerEdits", Edits(node, roots)}});
  }
  // The oldest version that knows hostPath: runtimes refuse versions newer than they are, podman
  // 4.3 those above 0.5.0.
  const nlohmann::json spec{{"cdiVersion", "0.5.0"}, {"kind", kCdiKind}, {"devices", devices}};
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
