// The control API: each handler posts to the event loop and waits for its answer with a deadline.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/event_loop.h"
#include "rendercar/v1alpha1/control.grpc.pb.h"
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

class ControlService final : public ::rendercar::v1alpha1::ControlService::Service {
 public:
  // Both outlive this object; `sessions` is used on the loop only.
  ControlService(EventLoop& loop, SessionManager& sessions, ServerFacts facts);

  grpc::Status CreateSession(grpc::ServerContext* context,
                             const v1alpha1::CreateSessionRequest* request,
                             v1alpha1::Session* response) override;
  grpc::Status GetSession(grpc::ServerContext* context, const v1alpha1::GetSessionRequest* request,
                          v1alpha1::Session* response) override;
  grpc::Status ListSessions(grpc::ServerContext* context,
                            const v1alpha1::ListSessionsRequest* request,
                            v1alpha1::ListSessionsResponse* response) override;
  grpc::Status DeleteSession(grpc::ServerContext* context,
                             const v1alpha1::DeleteSessionRequest* request,
                             google::protobuf::Empty* response) override;
  grpc::Status GetDeviceDefinition(grpc::ServerContext* context,
                                   const v1alpha1::GetDeviceDefinitionRequest* request,
                                   v1alpha1::DeviceDefinition* response) override;
  grpc::Status GetServerInfo(grpc::ServerContext* context,
                             const v1alpha1::GetServerInfoRequest* request,
                             v1alpha1::ServerInfo* response) override;

 private:
  absl::StatusOr<SessionView> Find(const grpc::ServerContext& context, const std::string& name);
  // Loop thread.
  absl::StatusOr<SessionView> FindOnLoop(const std::string& id) const;
  absl::Status CheckOurs(const std::string& id) const;

  EventLoop& loop_;
  SessionManager& sessions_;
  const ServerFacts facts_;
};

}  // namespace rendercar::sidecar
