// The device-plugin API (v1beta1) as the kubelet calls it: turns calls into questions to a handler
// on the loop. gRPC's types stop here.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <set>

#include "common/event_loop.h"
#include "kubelet/deviceplugin/v1beta1/api.grpc.pb.h"
#include "node/allocation.h"
#include "node/share.h"

namespace rendercar::node {

// Answers the kubelet's questions about one resource; called on the loop.
class DevicePluginHandler {
 public:
  virtual ~DevicePluginHandler() = default;

  virtual const ShareTable& Table() const = 0;
  virtual absl::StatusOr<std::vector<ContainerGrant>> Allocate(
      const AllocationRequest& request) = 0;
  // `size` of `available`, those of `must_include` among them.
  virtual absl::StatusOr<std::vector<std::string>> Prefer(
      const std::vector<std::string>& available, const std::vector<std::string>& must_include,
      int size) = 0;
  virtual absl::Status PreStart(const std::vector<std::string>& share_ids) = 0;
};

// gRPC calls it on threads of its own; each call is posted to the loop and answered there. The loop
// must run until the server that serves this object is shut down.
class DevicePluginService final : public v1beta1::DevicePlugin::CallbackService {
 public:
  DevicePluginService(EventLoop& loop, DevicePluginHandler& handler);
  ~DevicePluginService() override;

  // Loop: sends the handler's table to every open ListAndWatch.
  void SendList();
  // Loop: ends every open ListAndWatch, and refuses what comes later.
  void Stop();
  // Loop: open ListAndWatch streams; a registered plugin has one.
  size_t stream_count() const { return streams_.size(); }

  static v1beta1::DevicePluginOptions Options();

 private:
  class ListStream;

  grpc::ServerUnaryReactor* GetDevicePluginOptions(grpc::CallbackServerContext* context,
                                                   const v1beta1::Empty* request,
                                                   v1beta1::DevicePluginOptions* response) override;
  grpc::ServerWriteReactor<v1beta1::ListAndWatchResponse>* ListAndWatch(
      grpc::CallbackServerContext* context, const v1beta1::Empty* request) override;
  grpc::ServerUnaryReactor* GetPreferredAllocation(
      grpc::CallbackServerContext* context, const v1beta1::PreferredAllocationRequest* request,
      v1beta1::PreferredAllocationResponse* response) override;
  grpc::ServerUnaryReactor* Allocate(grpc::CallbackServerContext* context,
                                     const v1beta1::AllocateRequest* request,
                                     v1beta1::AllocateResponse* response) override;
  grpc::ServerUnaryReactor* PreStartContainer(
      grpc::CallbackServerContext* context, const v1beta1::PreStartContainerRequest* request,
      v1beta1::PreStartContainerResponse* response) override;

  EventLoop& loop_;
  DevicePluginHandler& handler_;
  // Loop only.
  std::set<std::shared_ptr<ListStream>> streams_;
  bool stopped_ = false;
};

}  // namespace rendercar::node
