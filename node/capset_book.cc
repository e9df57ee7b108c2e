// Probes each render node once, one after the other.
// SPDX-License-Identifier: Apache-2.0
#include "node/capset_book.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace rendercar::node {
namespace {

std::string KeyOf(const RenderNode& node) {
  return fmt::format("{} {} {}", node.id, node.path, node.driver);
}

}  // namespace

CapsetBook::CapsetBook(EventLoop& loop, std::string program, Report& report)
    : loop_(loop), program_(std::move(program)), report_(report) {}

void CapsetBook::Update(const std::vector<RenderNode>& nodes) {
  if (program_.empty()) return;
  nodes_ = nodes;
  std::set<std::string> present;
  for (const RenderNode& node : nodes_) present.insert(KeyOf(node));
  std::erase_if(known_, [&](const std::string& key) { return present.count(key) == 0; });
  const auto gone = [&](const auto& result) {
    return std::none_of(nodes_.begin(), nodes_.end(),
                        [&](const RenderNode& node) { return node.id == result.first; });
  };
  if (std::erase_if(results_, gone) != 0) found_->Set(results_);
  ProbeNext();
}

void CapsetBook::Keep(const RenderNode& node, const absl::StatusOr<ProbeResult>& result) {
  if (result.ok()) {
    results_[node.id] = *result;
  } else {
    results_.erase(node.id);
  }
  found_->Set(results_);
}

void CapsetBook::ProbeNext() {
  if (probe_ != nullptr) return;
  for (const RenderNode& node : nodes_) {
    if (!node.healthy() || !known_.insert(KeyOf(node)).second) continue;
    probe_ = std::make_unique<CapsetProbe>(loop_, program_, node,
                                           [this, node](const absl::StatusOr<ProbeResult>& result) {
                                             probe_.reset();
                                             Keep(node, result);
                                             report_.Probed(node, result);
                                             ProbeNext();
                                           });
    return;
  }
}

}  // namespace rendercar::node
