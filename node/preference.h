// Which of the free shares serve a container best: the advice behind GetPreferredAllocation.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/status.h"
#include "node/share.h"

namespace rendercar::node {

enum class Placement {
  kPacked,  // fill a node before the next one is touched
  kSpread,  // take from the node with the most free shares
};

struct PreferencePolicy {
  Placement placement = Placement::kSpread;
  // Several shares of one container may come from one node; otherwise that is the last resort.
  bool allow_same_node = false;
};

// `size` of `available`, `must_include` first. Shares of one container come from one NUMA node
// where that is possible. Ids that the table does not know are taken last (the kubelet may be
// behind). InvalidArgument when there are not enough.
absl::StatusOr<std::vector<std::string>> PreferShares(const ShareTable& table,
                                                      const PreferencePolicy& policy,
                                                      const std::vector<std::string>& available,
                                                      const std::vector<std::string>& must_include,
                                                      int size);

}  // namespace rendercar::node
