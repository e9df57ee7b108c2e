// Calls the kubelet's Registration service on its unix socket.
// SPDX-License-Identifier: Apache-2.0
#include "node/grpc_registration_client.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <memory>
#include <utility>

#include "kubelet/deviceplugin/v1beta1/api.grpc.pb.h"
#include "node/device_plugin_service.h"

namespace rendercar::node {
namespace {

// All that one call needs; freed when it is answered.
struct Call {
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1beta1::Registration::Stub> stub;
  grpc::ClientContext context;
  v1beta1::RegisterRequest request;
  v1beta1::Empty response;
  absl::AnyInvocable<void(absl::Status)> done;
};

// A channel of its own for each attempt, so that no back-off of an earlier kubelet's delays this
// one.
std::shared_ptr<grpc::Channel> Dial(const std::string& socket) {
  grpc::ChannelArguments arguments;
  // Go servers refuse the escaped socket path that newer gRPC would send.
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
}

absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace

GrpcRegistrationClient::GrpcRegistrationClient(EventLoop& loop, std::string kubelet_socket)
    : loop_(loop), kubelet_socket_(std::move(kubelet_socket)) {}

void GrpcRegistrationClient::Register(const std::string& resource, const std::string& endpoint,
                                      absl::AnyInvocable<void(absl::Status)> done) {
  auto* call = new Call;  // owned by the answer's task
  call->channel = Dial(kubelet_socket_);
  call->stub = v1beta1::Registration::NewStub(call->channel);
  call->context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  call->request.set_version("v1beta1");
  call->request.set_endpoint(endpoint);
  call->request.set_resource_name(resource);
  *call->request.mutable_options() = DevicePluginService::Options();
  call->done = std::move(done);
  call->stub->async()->Register(&call->context, &call->request, &call->response,
                                [&loop = loop_, call](const grpc::Status& status) {
                                  // Freed on the loop: a channel does not like to end on gRPC's own
                                  // thread.
                                  loop.Post([owned = std::unique_ptr<Call>(call),
                                             result = FromGrpc(status)] { owned->done(result); });
                                });
}

}  // namespace rendercar::node
