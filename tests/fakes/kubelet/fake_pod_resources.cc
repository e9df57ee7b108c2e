// A stand-in for the kubelet's PodResources service: tells what a test says.
// SPDX-License-Identifier: Apache-2.0
#include "tests/fakes/kubelet/fake_pod_resources.h"

#include <grpcpp/grpcpp.h>

#include <mutex>

#include "kubelet/podresources/v1/api.grpc.pb.h"

namespace rendercar::testing {

class FakePodResources::Service final : public v1::PodResourcesLister::Service {
 public:
  grpc::Status List(grpc::ServerContext*, const v1::ListPodResourcesRequest*,
                    v1::ListPodResourcesResponse* response) override {
    const std::lock_guard lock(mutex_);
    *response = answer_;
    return grpc::Status::OK;
  }
  void Add(const std::string& ns, const std::string& pod, const std::string& container,
           const std::string& resource, const std::string& device_id) {
    const std::lock_guard lock(mutex_);
    v1::PodResources* entry = answer_.add_pod_resources();
    entry->set_namespace_(ns);
    entry->set_name(pod);
    v1::ContainerResources* one = entry->add_containers();
    one->set_name(container);
    v1::ContainerDevices* devices = one->add_devices();
    devices->set_resource_name(resource);
    devices->add_device_ids(device_id);
  }

 private:
  std::mutex mutex_;
  v1::ListPodResourcesResponse answer_;
};

FakePodResources::FakePodResources() : service_(std::make_unique<Service>()) {}
FakePodResources::~FakePodResources() = default;

absl::Status FakePodResources::Serve(const std::string& socket) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
  builder.RegisterService(service_.get());
  server_ = builder.BuildAndStart();
  return server_ != nullptr ? absl::OkStatus()
                            : absl::UnavailableError("cannot listen on '" + socket + "'");
}

void FakePodResources::Add(const std::string& ns, const std::string& pod,
                           const std::string& container, const std::string& resource,
                           const std::string& device_id) {
  service_->Add(ns, pod, container, resource, device_id);
}

}  // namespace rendercar::testing
