// What this node has, as labels that Node Feature Discovery puts on the Kubernetes node.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/status.h"
#include "node/config.h"

namespace rendercar::node {

// Lines of "rendercar.dev/NAME=VALUE": render-nodes, driver.DRIVER, model.VENDOR-DEVICE, and for
// each resource its shares and the video memory of one in MiB.
std::string NodeFeatures(const std::vector<RenderNode>& nodes, const Config& config);

// Writes DIRECTORY/rendercar.
absl::Status UpdateNodeFeatures(const std::string& directory, const std::vector<RenderNode>& nodes,
                                const Config& config);
void RemoveNodeFeatures(const std::string& directory);

}  // namespace rendercar::node
