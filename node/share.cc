// Shares: the slices of render nodes that the scheduler counts.
// SPDX-License-Identifier: Apache-2.0
#include "node/share.h"

#include <fmt/format.h>

#include <utility>

#include "common/status.h"

namespace rendercar::node {

std::string ShareId(std::string_view node_id, uint32_t number) {
  return fmt::format("{}-{}", node_id, number);
}

ShareTable::ShareTable(std::vector<RenderNode> nodes, const ShareSizes& sizes)
    : nodes_(std::move(nodes)) {
  shares_.reserve(nodes_.size() * sizes.replicas);
  for (size_t i = 0; i < nodes_.size(); ++i) {
    for (uint32_t number = 0; number < sizes.replicas; ++number) {
      Share share{ShareId(nodes_[i].id, number), i, sizes.video_memory_bytes};
      RC_CHECK(share.id.size() <= kMaxShareIdBytes, "a node's id leaves no room for share numbers");
      by_id_.emplace(share.id, shares_.size());
      shares_.push_back(std::move(share));
    }
  }
}

const Share* ShareTable::Find(std::string_view id) const {
  const auto found = by_id_.find(std::string(id));
  return found == by_id_.end() ? nullptr : &shares_[found->second];
}

}  // namespace rendercar::node
