// What an administrator decides about a node: which render nodes are offered, cut how, by what
// policy. SPDX-License-Identifier: Apache-2.0
#include "node/config.h"

namespace rendercar::node {

std::vector<RenderNode> WithSoftware(std::vector<RenderNode> nodes, SoftwareMode mode) {
  if (mode == SoftwareMode::kAlways || (mode == SoftwareMode::kAuto && nodes.empty())) {
    nodes.push_back(SoftwareRenderNode());
  }
  return nodes;
}

}  // namespace rendercar::node
