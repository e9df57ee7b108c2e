// What this installation can do, told without touching a GPU.
// SPDX-License-Identifier: Apache-2.0
#include "backend/capabilities.h"

#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "backend/drm/render_node.h"

namespace rendercar::backend {
namespace {

constexpr char kRenderer[] = "rendercar-renderer";

bool IsExecutable(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

std::string FindRenderer() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return {};
  const auto directory = self.parent_path();
  for (const auto& candidate :
       {directory / kRenderer, directory.parent_path() / "libexec" / "rendercar" / kRenderer}) {
    if (IsExecutable(candidate.string())) return candidate.string();
  }
  return {};
}

std::string CapabilitiesJson(const std::string& renderer_program,
                             const std::string& dri_directory) {
  nlohmann::json features = nlohmann::json::array();
  if (!drm::ListRenderNodes(dri_directory).empty()) features.push_back("render-node");
  if (IsExecutable(renderer_program)) features.push_back("virgl");
  return nlohmann::json{{"type", "gpu"}, {"features", features}}.dump(2);
}

}  // namespace rendercar::backend
