// Probes each render node once, one after the other.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "node/capset_probe.h"
#include "node/report.h"

namespace rendercar::node {

// What was found out is told to the report. A node is probed again when it has gone and come back,
// or has another path or driver. Loop only.
class CapsetBook {
 public:
  // Empty `program`: nothing is probed.
  CapsetBook(EventLoop& loop, std::string program, Report& report);

  // The nodes that there are now.
  void Update(const std::vector<RenderNode>& nodes);

 private:
  void ProbeNext();

  EventLoop& loop_;
  const std::string program_;
  Report& report_;
  std::vector<RenderNode> nodes_;
  std::set<std::string> known_;
  std::unique_ptr<CapsetProbe> probe_;
};

}  // namespace rendercar::node
