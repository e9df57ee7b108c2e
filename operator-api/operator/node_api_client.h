// The sessions of this node, from its agent.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/status.h"
#include "operator-api/operator/session_objects.h"

namespace rendercar::rc_operator {

// All sessions with the resources of their shares; asked anew each time, so that an agent that was
// replaced is found.
absl::StatusOr<std::vector<NodeSession>> ListNodeSessions(const std::string& socket);

}  // namespace rendercar::rc_operator
