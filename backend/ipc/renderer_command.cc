// How rendercar-renderer is called.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/renderer_command.h"

#include <absl/strings/str_cat.h>

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
  if (export_scanouts) argv.push_back("--export-scanouts");
  if (data_limit_mib != 0) argv.push_back(absl::StrCat("--data-limit-mib=", data_limit_mib));
  return argv;
}

}  // namespace rendercar::ipc
