// rendercar.v1alpha1 for clients that know nothing newer: each call is the same call of
// rendercar.v1, whose messages have the old fields under their old numbers.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "operator-api/service/services.h"
#include "rendercar/v1alpha1/control.grpc.pb.h"

namespace rendercar::api_service {

class V1alpha1Service final : public v1alpha1::ControlService::Service {
 public:
  // Both outlive this object.
  V1alpha1Service(SessionService& sessions, InventoryService& inventory)
      : sessions_(sessions), inventory_(inventory) {}

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
  SessionService& sessions_;
  InventoryService& inventory_;
};

}  // namespace rendercar::api_service
