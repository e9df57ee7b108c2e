// Finds the render nodes of this machine in sysfs and by libdrm.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/status.h"
#include "node/latest.h"
#include "node/render_node.h"

namespace rendercar::node {

// Where sysfs and the device files are; tests put trees of their own there.
struct InventoryRoots {
  std::string sysfs = "/sys";
  std::string dev = "/dev";
};

// The built-in node: llvmpipe through surfaceless EGL.
RenderNode SoftwareRenderNode();

// All render nodes, sorted by id: what sysfs shows and, on the machine's own roots, libdrm. A
// machine without any (or without DRM at all) has an empty list; an error means that sysfs could
// not be read. A node whose device file is missing or closed to us is listed with its problem.
absl::StatusOr<std::vector<RenderNode>> ScanRenderNodes(const InventoryRoots& roots);

// The nodes as the agent last saw them; none: it has not looked yet.
using NodeBook = Latest<std::vector<RenderNode>>;

}  // namespace rendercar::node
