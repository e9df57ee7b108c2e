// The inventory as people and scripts read it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "node/config.h"

namespace rendercar::node {

// One line a node and resource, under a head line.
std::string InventoryTable(const std::vector<RenderNode>& nodes, const Config& config);

// {"nodes": [{"id", "path", ..., "resource", "shares": [{"id", "video_memory_bytes"}]}]}.
std::string InventoryJson(const std::vector<RenderNode>& nodes, const Config& config);

}  // namespace rendercar::node
