// How rendercar-renderer is called.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/renderer_command.h"

#include <unistd.h>

#include <filesystem>

namespace rendercar::ipc {

std::vector<std::string> RendererCommand::ProbeArgv() const {
  std::vector<std::string> argv{program, "--probe"};
  if (!render_node.empty()) argv.push_back("--render-node=" + render_node);
  return argv;
}

std::vector<std::string> RendererCommand::ServeArgv() const {
  std::vector<std::string> argv{program, "--serve", absl::StrCat("--spin-us=", spin_us)};
  if (!render_node.empty()) argv.push_back("--render-node=" + render_node);
  if (!capset_digest.empty()) argv.push_back("--expect-capsets=" + capset_digest);
  if (data_limit_mib != 0) argv.push_back(absl::StrCat("--data-limit-mib=", data_limit_mib));
  return argv;
}

absl::StatusOr<std::string> FindRendererProgram() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::string path = (self.parent_path() / "rendercar-renderer").string();
  if (error || ::access(path.c_str(), X_OK) != 0) {
    return absl::NotFoundError(absl::StrCat(
        "'", path, "' cannot be executed; install rendercar-renderer beside rendercar-backend"));
  }
  return path;
}

}  // namespace rendercar::ipc
