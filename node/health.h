// Whether a render node can be used now, from what the system tells without touching the GPU.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "node/crash_rate.h"
#include "node/inventory.h"
#include "node/wedge_note.h"

namespace rendercar::node {

// Looks at nodes again and again; each finding is a sentence, and goes when its cause goes. Loop
// only.
class HealthMonitor {
 public:
  // A node that was too hot must be cooler than its limit by this before it is used again.
  static constexpr int kHysteresisMilliCelsius = 5000;

  // `wedges` and `crashes` remember for the next monitor.
  explicit HealthMonitor(InventoryRoots roots, WedgeNote wedges = WedgeNote(""),
                         CrashNote crashes = CrashNote(""));

  // Sets the problem of each node that has none yet and cannot be used.
  void Check(std::vector<RenderNode>& nodes);

  // What sessions lost on the nodes; the rule and what it has counted.
  CrashRate& crashes() { return crashes_; }

  // The kernel said so (uevent WEDGED=method): unhealthy until the node is gone or Recovered is
  // told.
  void Wedged(const std::string& device_path, const std::string& recovery);
  void Recovered(const std::string& device_path);

 private:
  // The first that holds; always asks those that remember.
  std::pair<ProblemKind, std::string> Problem(const RenderNode& node);
  void RememberWedges() const;
  std::string WedgeProblem(const RenderNode& node) const;
  std::string OpenProblem(const RenderNode& node) const;
  std::string BusProblem(const std::string& sysfs) const;
  std::string HeatProblem(const RenderNode& node, const std::string& sysfs);

  const InventoryRoots roots_;
  const WedgeNote note_;
  WedgeNote::Wedges wedged_;
  std::map<std::string, bool> hot_;  // by node id
  CrashRate crashes_;
};

}  // namespace rendercar::node
