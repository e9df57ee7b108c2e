// Shares: the slices of render nodes that the scheduler counts.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "node/render_node.h"

namespace rendercar::node {

// The kubelet's limit for a device id.
inline constexpr size_t kMaxShareIdBytes = 63;
// More shares than this of one node are a mistake in the configuration.
inline constexpr uint32_t kMaxReplicas = 1024;

struct Share {
  std::string id;  // "0000-03-00.0-2", "software-0": the node's id and the share's number
  size_t node_index = 0;
  uint64_t video_memory_bytes = 0;  // 0: no limit
};

// How the nodes of a resource are cut.
struct ShareSizes {
  uint32_t replicas = 0;            // 0: as many as the video memory gives
  uint64_t video_memory_bytes = 0;  // for each share; 0: no limit
  bool overcommit = false;          // promise more video memory than there is
  bool even = false;                // each share's limit is its even part of the node's

  bool operator==(const ShareSizes&) const = default;
};

// Shares that `node` is cut into: the replicas, and no more than its video memory has room for
// (unless overcommitted). A node whose driver tells no size is cut into the replicas, or is one
// share.
uint32_t ShareCount(const ShareSizes& sizes, const RenderNode& node);
// The limit of each of `count` shares of `node`; 0: none.
uint64_t ShareVideoMemory(const ShareSizes& sizes, const RenderNode& node, size_t count);

// Where the 3D of a container's sessions may move when its render node is gone for good.
struct Failover {
  bool nodes = false;  // to the other nodes of the resource, whose devices the container gets too
  bool software = false;  // to software, after these

  bool operator==(const Failover&) const = default;
};

// All shares of one resource at one moment; immutable.
class ShareTable {
 public:
  ShareTable() = default;
  ShareTable(std::vector<RenderNode> nodes, const ShareSizes& sizes);

  const std::vector<RenderNode>& nodes() const { return nodes_; }
  const std::vector<Share>& shares() const { return shares_; }
  const RenderNode& NodeOf(const Share& share) const { return nodes_[share.node_index]; }
  size_t CountOf(size_t node_index) const { return counts_[node_index]; }
  // nullptr when there is no such share.
  const Share* Find(std::string_view id) const;

 private:
  std::vector<RenderNode> nodes_;
  std::vector<size_t> counts_;
  std::vector<Share> shares_;
  std::unordered_map<std::string, size_t> by_id_;
};

std::string ShareId(std::string_view node_id, uint32_t number);
// The node's part of a share's id.
std::string NodeIdOf(const std::string& share_id);

}  // namespace rendercar::node
