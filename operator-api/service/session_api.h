// What a server of the API can do with sessions and inventory, without gRPC: implemented by the
// sidecar for its own and by the node agent for its node.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/status.h"
#include "rendercar/v1/inventory_service.pb.h"
#include "rendercar/v1/session_service.pb.h"

namespace rendercar::api_service {

using Deadline = std::chrono::system_clock::time_point;

struct Screenshot {
  uint32_t width_px = 0;
  uint32_t height_px = 0;
  std::string png;
};

// Any thread but the loop's; each blocks until it is done or the deadline has passed.
class SessionApi {
 public:
  virtual ~SessionApi() = default;
  // By name, complete.
  virtual absl::StatusOr<std::vector<v1::Session>> List(Deadline deadline) = 0;
  virtual absl::StatusOr<v1::Session> Get(const std::string& name, Deadline deadline) = 0;
  virtual absl::StatusOr<v1::Session> Create(const v1::CreateSessionRequest& request,
                                             Deadline deadline) = 0;
  virtual absl::Status Delete(const v1::DeleteSessionRequest& request, Deadline deadline) = 0;
  virtual absl::StatusOr<v1::Session> Update(const v1::UpdateSessionRequest& request,
                                             Deadline deadline) = 0;
  virtual absl::StatusOr<v1::Session> RestartRenderer(const v1::RestartRendererRequest& request,
                                                      Deadline deadline) = 0;
  virtual absl::StatusOr<v1::Session> Upgrade(const v1::UpgradeSessionRequest& request,
                                              Deadline deadline) = 0;
  virtual absl::StatusOr<v1::DeviceDefinition> Define(const v1::GetDeviceDefinitionRequest& request,
                                                      Deadline deadline) = 0;
  virtual absl::StatusOr<Screenshot> Capture(const v1::CaptureScreenshotRequest& request,
                                             Deadline deadline) = 0;
};

class InventoryApi {
 public:
  virtual ~InventoryApi() = default;
  virtual absl::StatusOr<v1::ServerInfo> Info(Deadline deadline) = 0;
  virtual absl::StatusOr<std::vector<v1::RenderNode>> RenderNodes(Deadline deadline) = 0;
  // By id, complete.
  virtual absl::StatusOr<std::vector<v1::Share>> Shares(Deadline deadline) = 0;
  virtual absl::StatusOr<v1::ServerInfo> Drain(const v1::DrainRequest& request,
                                               Deadline deadline) = 0;
};

}  // namespace rendercar::api_service
