// The other way to register: the kubelet's plugin watcher finds a socket and asks what it is.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/event_loop.h"
#include "kubelet/pluginregistration/v1/api.grpc.pb.h"
#include "node/report.h"

namespace rendercar::node {

// Serves pluginregistration.Registration for one resource whose own socket is at `endpoint`.
class WatcherService final : public pluginregistration::Registration::CallbackService {
 public:
  WatcherService(EventLoop& loop, Report& report, std::string resource, std::string endpoint);

 private:
  grpc::ServerUnaryReactor* GetInfo(grpc::CallbackServerContext* context,
                                    const pluginregistration::InfoRequest* request,
                                    pluginregistration::PluginInfo* response) override;
  grpc::ServerUnaryReactor* NotifyRegistrationStatus(
      grpc::CallbackServerContext* context, const pluginregistration::RegistrationStatus* request,
      pluginregistration::RegistrationStatusResponse* response) override;

  EventLoop& loop_;
  Report& report_;
  const std::string resource_;
  const std::string endpoint_;
};

}  // namespace rendercar::node
