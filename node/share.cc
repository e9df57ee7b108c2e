// Shares: the slices of render nodes that the scheduler counts.
// SPDX-License-Identifier: Apache-2.0
#include "node/share.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/status.h"

namespace rendercar::node {

std::string ShareId(std::string_view node_id, uint32_t number) {
  return fmt::format("{}-{}", node_id, number);
}

std::string NodeIdOf(const std::string& share_id) {
  return share_id.substr(0, share_id.rfind('-'));
}

uint32_t ShareCount(const ShareSizes& sizes, const RenderNode& node) {
  const uint32_t wanted = sizes.replicas == 0 ? 1 : sizes.replicas;
  if (sizes.video_memory_bytes == 0 || node.video_memory_bytes == 0) return wanted;
  const uint64_t room =
      std::min<uint64_t>(node.video_memory_bytes / sizes.video_memory_bytes, kMaxReplicas);
  if (sizes.replicas == 0) return static_cast<uint32_t>(room);
  return sizes.overcommit ? wanted : static_cast<uint32_t>(std::min<uint64_t>(wanted, room));
}

uint64_t ShareVideoMemory(const ShareSizes& sizes, const RenderNode& node, size_t count) {
  return sizes.even && count != 0 ? node.video_memory_bytes / count : sizes.video_memory_bytes;
}

ShareTable::ShareTable(std::vector<RenderNode> nodes, const ShareSizes& sizes)
    : nodes_(std::move(nodes)) {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    counts_.push_back(ShareCount(sizes, nodes_[i]));
    const uint64_t bytes = ShareVideoMemory(sizes, nodes_[i], counts_[i]);
    for (uint32_t number = 0; number < counts_.back(); ++number) {
      Share share{ShareId(nodes_[i].id, number), i, bytes};
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
