// The API's gRPC services over what a server can do: pages, filters, request ids, error details.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/collectable.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/grpc/tls_grpc_server.h"
#include "operator-api/service/request_cache.h"
#include "operator-api/service/session_api.h"
#include "operator-api/service/session_watch.h"
#include "rendercar/v1/inventory_service.grpc.pb.h"
#include "rendercar/v1/session_service.grpc.pb.h"

namespace rendercar::api_service {

// Both services look at the role of who asks (common/grpc/tls_grpc_server.h) before anything else.
class SessionService final : public v1::SessionService::Service {
 public:
  // `api` outlives this object.
  explicit SessionService(SessionApi& api, RolePolicy roles = {});

  // Ends every watch, so that the server can be shut down.
  void StopWatches() { watch_.Stop(); }

  grpc::Status CreateSession(grpc::ServerContext* context, const v1::CreateSessionRequest* request,
                             v1::Session* response) override;
  grpc::Status GetSession(grpc::ServerContext* context, const v1::GetSessionRequest* request,
                          v1::Session* response) override;
  grpc::Status ListSessions(grpc::ServerContext* context, const v1::ListSessionsRequest* request,
                            v1::ListSessionsResponse* response) override;
  grpc::Status DeleteSession(grpc::ServerContext* context, const v1::DeleteSessionRequest* request,
                             google::protobuf::Empty* response) override;
  grpc::Status GetDeviceDefinition(grpc::ServerContext* context,
                                   const v1::GetDeviceDefinitionRequest* request,
                                   v1::DeviceDefinition* response) override;
  grpc::Status WatchSessions(grpc::ServerContext* context, const v1::WatchSessionsRequest* request,
                             grpc::ServerWriter<v1::WatchSessionsResponse>* writer) override;
  grpc::Status UpdateSession(grpc::ServerContext* context, const v1::UpdateSessionRequest* request,
                             v1::Session* response) override;
  grpc::Status RestartRenderer(grpc::ServerContext* context,
                               const v1::RestartRendererRequest* request,
                               v1::Session* response) override;
  grpc::Status UpgradeSession(grpc::ServerContext* context,
                              const v1::UpgradeSessionRequest* request,
                              v1::Session* response) override;
  grpc::Status CaptureScreenshot(
      grpc::ServerContext* context, const v1::CaptureScreenshotRequest* request,
      grpc::ServerWriter<v1::CaptureScreenshotResponse>* writer) override;

 private:
  // Who may, may do it once; who asked is logged.
  template <typename Request, typename Response, typename Work>
  grpc::Status Change(const grpc::ServerContext& context, const char* call,
                      const std::string& session, const Request& request, Response& response,
                      Work work);

  SessionApi& api_;
  const RolePolicy roles_;
  SessionWatch watch_;
  RequestCache cache_;
};

// Where GetDiagnostics has its texts from; any thread. What is not set stays empty.
struct DiagnosticSources {
  std::function<std::string()> configuration;
  std::vector<std::shared_ptr<prometheus::Collectable>> metrics;
};

class InventoryService final : public v1::InventoryService::Service {
 public:
  // `api` outlives this object.
  explicit InventoryService(InventoryApi& api, RolePolicy roles = {})
      : api_(api), roles_(std::move(roles)) {}

  // Before it serves.
  void SetDiagnostics(DiagnosticSources sources) { diagnostics_ = std::move(sources); }

  grpc::Status GetServerInfo(grpc::ServerContext* context, const v1::GetServerInfoRequest* request,
                             v1::ServerInfo* response) override;
  grpc::Status ListRenderNodes(grpc::ServerContext* context,
                               const v1::ListRenderNodesRequest* request,
                               v1::ListRenderNodesResponse* response) override;
  grpc::Status ListShares(grpc::ServerContext* context, const v1::ListSharesRequest* request,
                          v1::ListSharesResponse* response) override;
  grpc::Status Drain(grpc::ServerContext* context, const v1::DrainRequest* request,
                     v1::ServerInfo* response) override;
  grpc::Status GetDiagnostics(grpc::ServerContext* context,
                              const v1::GetDiagnosticsRequest* request,
                              v1::Diagnostics* response) override;

 private:
  InventoryApi& api_;
  const RolePolicy roles_;
  DiagnosticSources diagnostics_;
};

}  // namespace rendercar::api_service
