// Which pod has which share: what the kubelet's PodResources API tells.
// SPDX-License-Identifier: Apache-2.0
#include "node/pod_resources.h"

#include <grpcpp/grpcpp.h>

#include <utility>

#include "kubelet/podresources/v1/api.grpc.pb.h"

namespace rendercar::node {
namespace {

// A node with hundreds of pods answers with more than gRPC's 4 MiB.
constexpr int kMaxAnswerBytes = 16 << 20;

struct Call {
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::PodResourcesLister::Stub> stub;
  grpc::ClientContext context;
  v1::ListPodResourcesRequest request;
  v1::ListPodResourcesResponse response;
};

std::shared_ptr<grpc::Channel> Dial(const std::string& socket) {
  grpc::ChannelArguments arguments;
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(kMaxAnswerBytes);
  return grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
}

ShareUsers ToUsers(const v1::ListPodResourcesResponse& response,
                   const std::set<std::string>& resources) {
  ShareUsers users;
  for (const v1::PodResources& pod : response.pod_resources()) {
    for (const v1::ContainerResources& container : pod.containers()) {
      for (const v1::ContainerDevices& devices : container.devices()) {
        if (resources.count(devices.resource_name()) == 0) continue;
        for (const std::string& id : devices.device_ids()) {
          users[id] = {pod.namespace_(), pod.name(), container.name()};
        }
      }
    }
  }
  return users;
}

}  // namespace

PodResourcesClient::PodResourcesClient(EventLoop& loop, std::string socket)
    : loop_(loop), socket_(std::move(socket)) {}

void PodResourcesClient::List(const std::set<std::string>& resources,
                              std::function<void(const absl::StatusOr<ShareUsers>&)> done) {
  if (std::exchange(*busy_, true)) return;
  auto* call = new Call;  // owned by the answer's task
  call->channel = Dial(socket_);
  call->stub = v1::PodResourcesLister::NewStub(call->channel);
  call->context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  call->stub->async()->List(
      &call->context, &call->request, &call->response,
      [&loop = loop_, call, busy = busy_, resources,
       done = std::move(done)](const grpc::Status& status) {
        // Freed on the loop: a channel does not like to end on gRPC's own thread.
        loop.Post([owned = std::unique_ptr<Call>(call), busy, resources, done, status] {
          *busy = false;
          if (status.ok()) return done(ToUsers(owned->response, resources));
          done(absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                            status.error_message()));
        });
      });
}

}  // namespace rendercar::node
