// rendercar.v1alpha1 for clients that know nothing newer.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/service/v1alpha1_service.h"

#include <google/protobuf/message.h>

namespace rendercar::api_service {
namespace {

constexpr int kMaxSessionsAPage = 100;  // as v1alpha1 promises

// The fields that both know; what only `from` knows is left out.
void Copy(const google::protobuf::Message& from, google::protobuf::Message& to) {
  to.ParseFromString(from.SerializeAsString());
  to.DiscardUnknownFields();
}

// `request` answered by `method` of rendercar.v1.
template <typename Service, typename NewRequest, typename NewResponse>
grpc::Status Forward(Service& service,
                     grpc::Status (Service::*method)(grpc::ServerContext*, const NewRequest*,
                                                     NewResponse*),
                     grpc::ServerContext* context, const google::protobuf::Message& request,
                     google::protobuf::Message& response) {
  NewRequest new_request;
  NewResponse new_response;
  Copy(request, new_request);
  grpc::Status status = (service.*method)(context, &new_request, &new_response);
  if (status.ok()) Copy(new_response, response);
  return status;
}

}  // namespace

grpc::Status V1alpha1Service::CreateSession(grpc::ServerContext* context,
                                            const v1alpha1::CreateSessionRequest* request,
                                            v1alpha1::Session* response) {
  return Forward(sessions_, &SessionService::CreateSession, context, *request, *response);
}

grpc::Status V1alpha1Service::GetSession(grpc::ServerContext* context,
                                         const v1alpha1::GetSessionRequest* request,
                                         v1alpha1::Session* response) {
  return Forward(sessions_, &SessionService::GetSession, context, *request, *response);
}

grpc::Status V1alpha1Service::ListSessions(grpc::ServerContext* context,
                                           const v1alpha1::ListSessionsRequest* request,
                                           v1alpha1::ListSessionsResponse* response) {
  v1alpha1::ListSessionsRequest bounded = *request;
  if (bounded.page_size() == 0 || bounded.page_size() > kMaxSessionsAPage)
    bounded.set_page_size(kMaxSessionsAPage);
  return Forward(sessions_, &SessionService::ListSessions, context, bounded, *response);
}

grpc::Status V1alpha1Service::DeleteSession(grpc::ServerContext* context,
                                            const v1alpha1::DeleteSessionRequest* request,
                                            google::protobuf::Empty* response) {
  return Forward(sessions_, &SessionService::DeleteSession, context, *request, *response);
}

grpc::Status V1alpha1Service::GetDeviceDefinition(
    grpc::ServerContext* context, const v1alpha1::GetDeviceDefinitionRequest* request,
    v1alpha1::DeviceDefinition* response) {
  return Forward(sessions_, &SessionService::GetDeviceDefinition, context, *request, *response);
}

grpc::Status V1alpha1Service::GetServerInfo(grpc::ServerContext* context,
                                            const v1alpha1::GetServerInfoRequest* request,
                                            v1alpha1::ServerInfo* response) {
  return Forward(inventory_, &InventoryService::GetServerInfo, context, *request, *response);
}

}  // namespace rendercar::api_service
