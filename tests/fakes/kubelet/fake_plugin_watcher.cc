// A stand-in for the kubelet's plugin watcher: asks a socket in plugins_registry what it is.
// SPDX-License-Identifier: Apache-2.0
#include "tests/fakes/kubelet/fake_plugin_watcher.h"

#include <grpcpp/grpcpp.h>

#include <chrono>

#include "kubelet/pluginregistration/v1/api.grpc.pb.h"

namespace rendercar::testing {
namespace {

std::unique_ptr<pluginregistration::Registration::Stub> Dial(const std::string& socket) {
  grpc::ChannelArguments arguments;
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  return pluginregistration::Registration::NewStub(
      grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments));
}

absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

void SetDeadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
}

}  // namespace

absl::StatusOr<WatchedPlugin> AskPlugin(const std::string& socket) {
  grpc::ClientContext context;
  SetDeadline(context);
  pluginregistration::PluginInfo info;
  RC_RETURN_IF_ERROR(
      FromGrpc(Dial(socket)->GetInfo(&context, pluginregistration::InfoRequest(), &info)));
  if (info.supported_versions_size() != 1) {
    return absl::InternalError("the plugin does not support one version");
  }
  return WatchedPlugin{info.type(), info.name(), info.endpoint(), info.supported_versions(0)};
}

absl::Status TellPlugin(const std::string& socket, const std::string& error) {
  grpc::ClientContext context;
  SetDeadline(context);
  pluginregistration::RegistrationStatus status;
  status.set_plugin_registered(error.empty());
  status.set_error(error);
  pluginregistration::RegistrationStatusResponse response;
  return FromGrpc(Dial(socket)->NotifyRegistrationStatus(&context, status, &response));
}

}  // namespace rendercar::testing
