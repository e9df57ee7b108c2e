// Probes each render node once, one after the other.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "node/capset_probe.h"
#include "node/latest.h"
#include "node/report.h"

namespace rendercar::node {

// What the probes found, by the node's id.
using ProbeBook = Latest<std::map<std::string, ProbeResult>>;

// What was found out is told to the report, and kept while the node is there. A node is probed
// again when it has gone and come back, or has another path or driver. Loop only.
class CapsetBook {
 public:
  // Empty `program`: nothing is probed.
  CapsetBook(EventLoop& loop, std::string program, Report& report);

  // The nodes that there are now.
  void Update(const std::vector<RenderNode>& nodes);

  // May be read from any thread.
  const std::shared_ptr<ProbeBook>& found() const { return found_; }

 private:
  void ProbeNext();
  void Keep(const RenderNode& node, const absl::StatusOr<ProbeResult>& result);

  EventLoop& loop_;
  const std::string program_;
  Report& report_;
  std::vector<RenderNode> nodes_;
  std::set<std::string> known_;
  std::unique_ptr<CapsetProbe> probe_;
  std::map<std::string, ProbeResult> results_;
  const std::shared_ptr<ProbeBook> found_ = std::make_shared<ProbeBook>();
};

}  // namespace rendercar::node
