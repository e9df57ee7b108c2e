// Limits of a session that policy sets, as the backend's flags.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/status.h"

namespace rendercar::sidecar {

// `from_allocate`: share_env::kLimits, "NAME=VALUE,NAME=VALUE", or empty; `flags`: "NAME=VALUE"
// each, which win. InvalidArgument names the limit that is unknown or the value that is no number.
absl::StatusOr<std::vector<std::string>> LimitFlags(const std::string& from_allocate,
                                                    const std::vector<std::string>& flags);

// share_env::kFailoverNodes and --failover-node as the backend's flags; with flags only those.
std::vector<std::string> FailoverFlags(const std::string& from_allocate,
                                       const std::vector<std::string>& flags);

}  // namespace rendercar::sidecar
