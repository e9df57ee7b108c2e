// The control API as the command line uses it: connect, call, errors for people.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "common/status.h"
#include "rendercar/v1alpha1/control.grpc.pb.h"

namespace rendercar::ctl {

namespace api = ::rendercar::v1alpha1;

class Client {
 public:
  // Unavailable with a remedy when nobody listens at `socket`.
  static absl::StatusOr<Client> Connect(const std::string& socket, std::chrono::seconds timeout);

  absl::StatusOr<api::Session> CreateSession(const api::CreateSessionRequest& request);
  absl::StatusOr<api::Session> GetSession(const api::GetSessionRequest& request);
  // All pages.
  absl::StatusOr<api::ListSessionsResponse> ListSessions();
  absl::Status DeleteSession(const api::DeleteSessionRequest& request);
  absl::StatusOr<api::DeviceDefinition> GetDeviceDefinition(
      const api::GetDeviceDefinitionRequest& request);
  absl::StatusOr<api::ServerInfo> GetServerInfo();

 private:
  using Stub = api::ControlService::Stub;

  Client(std::string socket, std::unique_ptr<Stub> stub, std::chrono::seconds timeout)
      : socket_(std::move(socket)), stub_(std::move(stub)), timeout_(timeout) {}
  template <typename Request, typename Response>
  absl::Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response& response);

  std::string socket_;
  std::unique_ptr<Stub> stub_;
  std::chrono::seconds timeout_;
};

}  // namespace rendercar::ctl
