// Which of the free shares serve a container best: the advice behind GetPreferredAllocation.
// SPDX-License-Identifier: Apache-2.0
#include "node/preference.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_set>

namespace rendercar::node {
namespace {

// The free shares of one render node.
struct Group {
  std::vector<std::string> free;
  int numa_node = -1;
  bool healthy = false;
  int64_t taken = 0;  // by this container
};

class Chooser {
 public:
  Chooser(const ShareTable& table, const PreferencePolicy& policy,
          const std::vector<std::string>& available, const std::vector<std::string>& must_include)
      : policy_(policy), groups_(table.nodes().size()) {
    for (size_t i = 0; i < groups_.size(); ++i) {
      groups_[i].numa_node = table.nodes()[i].numa_node;
      groups_[i].healthy = table.nodes()[i].healthy();
    }
    for (const std::string& id : must_include) TakeRequired(table, id);
    for (const std::string& id : available) AddFree(table, id);
    // Taken from the back: the lowest number first.
    for (Group& group : groups_) std::reverse(group.free.begin(), group.free.end());
  }

  size_t count() const { return chosen_.size() + free_ + strangers_.size(); }

  std::vector<std::string> Choose(size_t size) {
    PickNuma(size);
    while (chosen_.size() < size) {
      Group* best = Best();
      if (best == nullptr) {
        chosen_.push_back(strangers_.back());
        strangers_.pop_back();
        continue;
      }
      chosen_.push_back(std::move(best->free.back()));
      best->free.pop_back();
      ++best->taken;
    }
    return std::move(chosen_);
  }

 private:
  void TakeRequired(const ShareTable& table, const std::string& id) {
    if (!seen_.insert(id).second) return;
    chosen_.push_back(id);
    const Share* share = table.Find(id);
    if (share == nullptr) return;
    ++groups_[share->node_index].taken;
    numa_ = groups_[share->node_index].numa_node;
  }

  void AddFree(const ShareTable& table, const std::string& id) {
    if (!seen_.insert(id).second) return;
    const Share* share = table.Find(id);
    if (share == nullptr) {
      strangers_.push_back(id);
      return;
    }
    groups_[share->node_index].free.push_back(id);
    ++free_;
  }

  // Without shares that must be included: the NUMA node that can serve the most of the request by
  // distinct render nodes; among equals the fuller one when packing, the emptier when spreading.
  void PickNuma(size_t size) {
    if (numa_.has_value()) return;
    std::map<int, std::pair<size_t, int64_t>> sums;  // distinct nodes, free shares
    for (const Group& group : groups_) {
      if (!group.healthy || group.free.empty()) continue;
      auto& [nodes, free] = sums[group.numa_node];
      ++nodes;
      free += static_cast<int64_t>(group.free.size());
    }
    std::tuple<size_t, int64_t> best{0, 0};
    for (const auto& [numa, sum] : sums) {
      const auto& [nodes, free] = sum;
      const std::tuple key{std::min(nodes, size), FreeKey(free)};
      if (numa_.has_value() && key <= best) continue;
      best = key;
      numa_ = numa;
    }
  }

  // Greater is better.
  int64_t FreeKey(int64_t free) const {
    return policy_.placement == Placement::kPacked ? -free : free;
  }

  // Greater is better: nodes not taken from (or, when packing with leave, taken from), then the
  // same NUMA node, then free shares by placement.
  std::tuple<bool, int64_t, bool, int64_t> Key(const Group& group) const {
    const bool together = policy_.allow_same_node && policy_.placement == Placement::kPacked;
    return {group.healthy, together ? group.taken : -group.taken, group.numa_node == numa_,
            FreeKey(static_cast<int64_t>(group.free.size()))};
  }

  Group* Best() {
    Group* best = nullptr;
    for (Group& group : groups_) {
      if (group.free.empty()) continue;
      if (best == nullptr || Key(group) > Key(*best)) best = &group;
    }
    return best;
  }

  const PreferencePolicy& policy_;
  std::vector<Group> groups_;
  std::vector<std::string> chosen_;
  std::vector<std::string> strangers_;
  std::unordered_set<std::string> seen_;
  std::optional<int> numa_;
  size_t free_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> PreferShares(const ShareTable& table,
                                                      const PreferencePolicy& policy,
                                                      const std::vector<std::string>& available,
                                                      const std::vector<std::string>& must_include,
                                                      int size) {
  Chooser chooser(table, policy, available, must_include);
  if (size < 0 || static_cast<size_t>(size) < must_include.size() ||
      static_cast<size_t>(size) > chooser.count()) {
    return absl::InvalidArgumentError(
        fmt::format("cannot choose {} shares: {} are available and {} must be included", size,
                    available.size(), must_include.size()));
  }
  return chooser.Choose(static_cast<size_t>(size));
}

}  // namespace rendercar::node
