// The control API as the command line uses it: connect, call, errors for people.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/channel.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "common/status.h"
#include "rendercar/v1/inventory_service.grpc.pb.h"
#include "rendercar/v1/session_service.grpc.pb.h"

namespace rendercar::ctl {

namespace api = ::rendercar::v1;

// A node agent's --api-address, with the files (PEM) that it takes to talk to it.
struct TlsTarget {
  std::string address;  // HOST:PORT
  std::string ca;       // who signs the server's certificate
  std::string certificate;
  std::string key;
};

struct Screenshot {
  uint32_t width_px = 0;
  uint32_t height_px = 0;
  std::string png;
};

class Client {
 public:
  // Unavailable with a remedy when nobody listens at `socket`.
  static absl::StatusOr<Client> Connect(const std::string& socket, std::chrono::seconds timeout);
  // By mutual TLS; who does not listen is told at the first call.
  static absl::StatusOr<Client> Connect(const TlsTarget& target, std::chrono::seconds timeout);

  absl::StatusOr<api::Session> CreateSession(const api::CreateSessionRequest& request);
  absl::StatusOr<api::Session> GetSession(const api::GetSessionRequest& request);
  // All pages.
  absl::StatusOr<api::ListSessionsResponse> ListSessions(const std::string& filter = "");
  absl::Status DeleteSession(const api::DeleteSessionRequest& request);
  absl::StatusOr<api::DeviceDefinition> GetDeviceDefinition(
      const api::GetDeviceDefinitionRequest& request);
  absl::StatusOr<api::Session> UpdateSession(const api::UpdateSessionRequest& request);
  absl::StatusOr<api::Session> RestartRenderer(const api::RestartRendererRequest& request);
  absl::StatusOr<api::Session> UpgradeSession(const api::UpgradeSessionRequest& request);
  // All pieces.
  absl::StatusOr<Screenshot> CaptureScreenshot(const api::CaptureScreenshotRequest& request);
  // Until `told` returns false, or the server ends the call.
  absl::Status WatchSessions(const api::WatchSessionsRequest& request,
                             const std::function<bool(const api::WatchSessionsResponse&)>& told);

  absl::StatusOr<api::ServerInfo> GetServerInfo();
  absl::StatusOr<api::ListRenderNodesResponse> ListRenderNodes();
  // All pages.
  absl::StatusOr<api::ListSharesResponse> ListShares();
  absl::StatusOr<api::ServerInfo> Drain(const api::DrainRequest& request);
  absl::StatusOr<api::Diagnostics> GetDiagnostics();

 private:
  using Sessions = api::SessionService::Stub;
  using Inventory = api::InventoryService::Stub;

  // `where`: "the server at X"; `hint`: what may be wrong when it does not answer.
  Client(std::string where, std::string hint, const std::shared_ptr<grpc::Channel>& channel,
         std::chrono::seconds timeout)
      : where_(std::move(where)),
        hint_(std::move(hint)),
        sessions_(api::SessionService::NewStub(channel)),
        inventory_(api::InventoryService::NewStub(channel)),
        timeout_(timeout) {}
  absl::Status FromGrpc(const grpc::Status& status) const;
  template <typename Stub, typename Request, typename Response>
  absl::Status Call(Stub& stub,
                    grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response& response);

  std::string where_;
  std::string hint_;
  std::unique_ptr<Sessions> sessions_;
  std::unique_ptr<Inventory> inventory_;
  std::chrono::seconds timeout_;
};

}  // namespace rendercar::ctl
