// What the API can do at a node agent: its inventory, and the sessions of all its sidecars.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/event_loop.h"
#include "node/agent.h"
#include "node/sidecar_clients.h"
#include "operator-api/service/session_api.h"

namespace rendercar::node {

class NodeApi final : public api_service::SessionApi, public api_service::InventoryApi {
 public:
  // All outlive this object; `agent` is used on the loop only.
  NodeApi(EventLoop& loop, Agent& agent, std::string session_root, std::string metrics_address);

  using Deadline = api_service::Deadline;
  absl::StatusOr<std::vector<v1::Session>> List(Deadline deadline) override;
  absl::StatusOr<v1::Session> Get(const std::string& name, Deadline deadline) override;
  // UNIMPLEMENTED: who has a share makes its session.
  absl::StatusOr<v1::Session> Create(const v1::CreateSessionRequest& request,
                                     Deadline deadline) override;
  absl::Status Delete(const v1::DeleteSessionRequest& request, Deadline deadline) override;
  absl::StatusOr<v1::Session> Update(const v1::UpdateSessionRequest& request,
                                     Deadline deadline) override;
  absl::StatusOr<v1::Session> RestartRenderer(const v1::RestartRendererRequest& request,
                                              Deadline deadline) override;
  absl::StatusOr<v1::Session> Upgrade(const v1::UpgradeSessionRequest& request,
                                      Deadline deadline) override;
  absl::StatusOr<v1::DeviceDefinition> Define(const v1::GetDeviceDefinitionRequest& request,
                                              Deadline deadline) override;
  absl::StatusOr<api_service::Screenshot> Capture(const v1::CaptureScreenshotRequest& request,
                                                  Deadline deadline) override;

  absl::StatusOr<v1::ServerInfo> Info(Deadline deadline) override;
  absl::StatusOr<std::vector<v1::RenderNode>> RenderNodes(Deadline deadline) override;
  absl::StatusOr<std::vector<v1::Share>> Shares(Deadline deadline) override;
  absl::StatusOr<v1::ServerInfo> Drain(const v1::DrainRequest& request, Deadline deadline) override;

 private:
  using Stub = v1::SessionService::Stub;

  std::vector<SessionDirs::Current> Directories() const;
  // Shares that a pod has as the kubelet tells, or where it tells nothing, that have a session.
  std::set<std::string> UsedShares(Deadline deadline);
  absl::StatusOr<std::unique_ptr<Stub>> SidecarOf(const SessionPlace& place) const;
  void SetOwner(const std::string& share, v1::Session& session) const;
  // Whose session a sidecar's answer is, in this node's words.
  absl::Status MakeOurs(const std::string& share, v1::Session& session) const;
  // Asks the sidecar that has the request's session.
  template <typename Request, typename Response>
  absl::StatusOr<Response> Forward(const Request& request, Deadline deadline,
                                   grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                const Request&, Response*));

  EventLoop& loop_;
  Agent& agent_;
  const std::string session_root_;
  const std::string metrics_address_;
  const std::shared_ptr<const ShareUserBook> users_;
  const std::shared_ptr<const ProbeBook> probes_;
};

}  // namespace rendercar::node
