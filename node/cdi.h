// Render nodes as the Container Device Interface describes them, for runtimes that resolve names.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/status.h"
#include "node/inventory.h"

namespace rendercar::node {

inline constexpr char kCdiKind[] = "rendercar.dev/render";

// "rendercar.dev/render=0000-03-00.0".
std::string CdiName(const RenderNode& node);

// The specification (JSON, CDI 0.5.0) of all nodes that have a device. A container that gets one
// can open it whatever its uid.
std::string CdiSpec(const std::vector<RenderNode>& nodes, const InventoryRoots& roots);

// Writes DIRECTORY/rendercar.dev-render.json, or removes it when there is no device.
absl::Status UpdateCdi(const std::string& directory, const std::vector<RenderNode>& nodes,
                       const InventoryRoots& roots);
void RemoveCdi(const std::string& directory);

}  // namespace rendercar::node
