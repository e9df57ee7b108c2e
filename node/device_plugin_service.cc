// The device-plugin API (v1beta1) as the kubelet calls it: turns calls into questions to a handler
// on the loop. gRPC's types stop here.
// SPDX-License-Identifier: Apache-2.0
#include "node/device_plugin_service.h"

#include <utility>

#include "node/device_plugin_messages.h"

namespace rendercar::node {
namespace {

grpc::Status Stopping() {
  return {grpc::StatusCode::UNAVAILABLE,
          "the node agent is stopping; it registers again when it is back"};
}

}  // namespace

// One open ListAndWatch. gRPC tells it things on its threads; all it does happens on the loop. It
// holds itself until gRPC is done with it.
class DevicePluginService::ListStream final
    : public grpc::ServerWriteReactor<v1beta1::ListAndWatchResponse>,
      public std::enable_shared_from_this<ListStream> {
 public:
  explicit ListStream(DevicePluginService& service) : service_(service) {}

  void HoldSelf() { self_ = shared_from_this(); }

  // Loop: sends `list` now, or after the message in flight; only the newest is kept for that.
  void Send(const v1beta1::ListAndWatchResponse& list) {
    if (finished_) return;
    if (writing_) {
      next_ = std::make_unique<v1beta1::ListAndWatchResponse>(list);
      return;
    }
    current_ = list;
    writing_ = true;
    StartWrite(&current_);
  }
  // Loop: no message follows.
  void End(const grpc::Status& status) {
    if (std::exchange(finished_, true)) return;
    Finish(status);
  }

  void OnWriteDone(bool ok) override {
    service_.loop_.Post([self = shared_from_this(), ok] { self->Written(ok); });
  }
  void OnCancel() override {
    service_.loop_.Post([self = shared_from_this()] { self->End(grpc::Status::CANCELLED); });
  }
  void OnDone() override {
    service_.loop_.Post([self = std::move(self_)] { self->service_.streams_.erase(self); });
  }

 private:
  void Written(bool ok) {
    writing_ = false;
    if (!ok) {
      End(grpc::Status::CANCELLED);
    } else if (const auto next = std::move(next_)) {
      Send(*next);
    }
  }

  DevicePluginService& service_;
  std::shared_ptr<ListStream> self_;
  v1beta1::ListAndWatchResponse current_;
  std::unique_ptr<v1beta1::ListAndWatchResponse> next_;
  bool writing_ = false;
  bool finished_ = false;
};

DevicePluginService::DevicePluginService(EventLoop& loop, DevicePluginHandler& handler)
    : loop_(loop), handler_(handler) {}

DevicePluginService::~DevicePluginService() = default;

v1beta1::DevicePluginOptions DevicePluginService::Options() {
  v1beta1::DevicePluginOptions options;
  options.set_pre_start_required(true);
  options.set_get_preferred_allocation_available(true);
  return options;
}

void DevicePluginService::SendList() {
  const v1beta1::ListAndWatchResponse list = ToList(handler_.Table());
  for (const auto& stream : streams_) stream->Send(list);
}

void DevicePluginService::Stop() {
  stopped_ = true;
  for (const auto& stream : streams_) stream->End(grpc::Status::OK);
}

grpc::ServerUnaryReactor* DevicePluginService::GetDevicePluginOptions(
    grpc::CallbackServerContext* context, const v1beta1::Empty*,
    v1beta1::DevicePluginOptions* response) {
  *response = Options();
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerWriteReactor<v1beta1::ListAndWatchResponse>* DevicePluginService::ListAndWatch(
    grpc::CallbackServerContext*, const v1beta1::Empty*) {
  auto stream = std::make_shared<ListStream>(*this);
  stream->HoldSelf();
  ListStream* reactor = stream.get();
  loop_.Post([this, stream = std::move(stream)] {
    streams_.insert(stream);
    if (stopped_) {
      stream->End(Stopping());
    } else {
      stream->Send(ToList(handler_.Table()));
    }
  });
  return reactor;
}

grpc::ServerUnaryReactor* DevicePluginService::GetPreferredAllocation(
    grpc::CallbackServerContext* context, const v1beta1::PreferredAllocationRequest* request,
    v1beta1::PreferredAllocationResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  loop_.Post([this, reactor, request, response] {
    for (const auto& container : request->container_requests()) {
      const auto preferred = handler_.Prefer(FromField(container.available_deviceids()),
                                             FromField(container.must_include_deviceids()),
                                             container.allocation_size());
      if (!preferred.ok()) return reactor->Finish(ToGrpc(preferred.status()));
      auto* out = response->add_container_responses();
      for (const std::string& id : *preferred) out->add_deviceids(id);
    }
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

grpc::ServerUnaryReactor* DevicePluginService::Allocate(grpc::CallbackServerContext* context,
                                                        const v1beta1::AllocateRequest* request,
                                                        v1beta1::AllocateResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  loop_.Post([this, reactor, request, response] {
    if (stopped_) return reactor->Finish(Stopping());
    const auto grants = handler_.Allocate(FromRequest(*request));
    if (!grants.ok()) return reactor->Finish(ToGrpc(grants.status()));
    for (const ContainerGrant& grant : *grants)
      ToResponse(grant, response->add_container_responses());
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

grpc::ServerUnaryReactor* DevicePluginService::PreStartContainer(
    grpc::CallbackServerContext* context, const v1beta1::PreStartContainerRequest* request,
    v1beta1::PreStartContainerResponse*) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  loop_.Post([this, reactor, request] {
    reactor->Finish(ToGrpc(handler_.PreStart(FromField(request->devices_ids()))));
  });
  return reactor;
}

}  // namespace rendercar::node
