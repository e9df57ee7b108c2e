// The other way to register: the kubelet's plugin watcher finds a socket and asks what it is.
// SPDX-License-Identifier: Apache-2.0
#include "node/watcher_service.h"

#include <utility>

namespace rendercar::node {

WatcherService::WatcherService(EventLoop& loop, Report& report, std::string resource,
                               std::string endpoint)
    : loop_(loop),
      report_(report),
      resource_(std::move(resource)),
      endpoint_(std::move(endpoint)) {}

grpc::ServerUnaryReactor* WatcherService::GetInfo(grpc::CallbackServerContext* context,
                                                  const pluginregistration::InfoRequest*,
                                                  pluginregistration::PluginInfo* response) {
  response->set_type("DevicePlugin");
  response->set_name(resource_);
  response->set_endpoint(endpoint_);
  response->add_supported_versions("v1beta1");
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* WatcherService::NotifyRegistrationStatus(
    grpc::CallbackServerContext* context, const pluginregistration::RegistrationStatus* request,
    pluginregistration::RegistrationStatusResponse*) {
  const absl::Status status = request->plugin_registered()
                                  ? absl::OkStatus()
                                  : absl::FailedPreconditionError(request->error());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  loop_.Post([this, status, reactor] {
    report_.RegistrationTried(resource_, status);
    if (status.ok()) report_.Registered(resource_);
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

}  // namespace rendercar::node
