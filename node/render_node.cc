// A render node: a GPU's device that takes work without being a display's master, or the built-in
// software one.
// SPDX-License-Identifier: Apache-2.0
#include "node/render_node.h"

namespace rendercar::node {

std::string_view ToString(ProblemKind kind) {
  switch (kind) {
    case ProblemKind::kNone:
      return "none";
    case ProblemKind::kMissing:
      return "missing";
    case ProblemKind::kOpen:
      return "open";
    case ProblemKind::kBus:
      return "bus";
    case ProblemKind::kWedged:
      return "wedged";
    case ProblemKind::kHot:
      return "hot";
    case ProblemKind::kCrashes:
      return "crashes";
    case ProblemKind::kDrained:
      return "drained";
  }
  return "unknown";
}

}  // namespace rendercar::node
