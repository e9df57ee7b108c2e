// What happens in the node agent, as events; whoever implements it decides what is logged or
// counted.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/status.h"
#include "node/capset_probe.h"
#include "node/share.h"

namespace rendercar::node {

// Called on the loop.
class Report {
 public:
  virtual ~Report() = default;

  // The shares of `resource` are these now.
  virtual void SharesChanged(const std::string& resource, const ShareTable& table) = 0;
  // `resource` is offered no longer.
  virtual void ResourceRemoved(const std::string& resource) = 0;
  // What virglrenderer can give on `node`, or why that could not be found out.
  virtual void Probed(const RenderNode& node, const absl::StatusOr<ProbeResult>& result) = 0;
  // A configuration was read again: OK and in force, or why it was refused and the old one stays.
  virtual void ConfigRead(const absl::Status& result) = 0;
  // The kernel told of a GPU's driver; `device` is its name on the bus, `detail` how a wedged one
  // can be helped.
  enum class DriverEventKind { kReset, kWedged, kRecovered };
  virtual void DriverEvent(const std::string& device, DriverEventKind kind,
                           const std::string& detail) = 0;
  // A kubelet appeared where one had been.
  virtual void KubeletRestarted() = 0;
  // An Allocate call was answered so; `shares` were asked for.
  virtual void Allocated(const std::string& resource, size_t shares,
                         const absl::Status& result) = 0;
  // An attempt to register ended so.
  virtual void RegistrationTried(const std::string& resource, const absl::Status& result) = 0;
  // The kubelet knows the resource now, or does not know it any more (`why`).
  virtual void Registered(const std::string& resource) = 0;
  virtual void RegistrationLost(const std::string& resource, const std::string& why) = 0;
  // The plugin's own socket was removed by somebody and is back.
  virtual void SocketRestored(const std::string& resource, const std::string& path) = 0;
};

}  // namespace rendercar::node
