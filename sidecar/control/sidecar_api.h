// What the API can do at a sidecar: each call posts to the event loop and waits for its answer.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/event_loop.h"
#include "operator-api/service/session_api.h"
#include "sidecar/preflight/preflight.h"
#include "sidecar/session/session_manager.h"

namespace rendercar::sidecar {

// What GetServerInfo tells beside the shares.
struct ServerFacts {
  std::string metrics_address;
  std::string vhost_user_json_path;
  std::function<std::vector<PreflightCheck>()> preflight;  // from any thread
  // All that there is, by name; also what is no session of the manager's, as a VM that libvirt
  // started through a shim. Loop thread.
  std::function<std::vector<SessionView>()> sessions;
  std::function<std::vector<ShareUse>()> shares;
};

class SidecarApi final : public api_service::SessionApi, public api_service::InventoryApi {
 public:
  // Both outlive this object; `sessions` is used on the loop only.
  SidecarApi(EventLoop& loop, SessionManager& sessions, ServerFacts facts);

  using Deadline = api_service::Deadline;
  absl::StatusOr<std::vector<v1::Session>> List(Deadline deadline) override;
  absl::StatusOr<v1::Session> Get(const std::string& name, Deadline deadline) override;
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
  absl::StatusOr<SessionView> Find(const std::string& name, Deadline deadline);
  absl::StatusOr<std::vector<ShareUse>> Uses(Deadline deadline);
  // Loop thread.
  absl::StatusOr<SessionView> FindOnLoop(const std::string& id) const;
  absl::Status CheckOurs(const std::string& id) const;

  EventLoop& loop_;
  SessionManager& sessions_;
  const ServerFacts facts_;
};

}  // namespace rendercar::sidecar
