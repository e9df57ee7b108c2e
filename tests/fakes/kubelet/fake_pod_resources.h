// A stand-in for the kubelet's PodResources service: tells what a test says.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/server.h>

#include <memory>
#include <string>

#include "common/status.h"

namespace rendercar::testing {

class FakePodResources {
 public:
  FakePodResources();
  ~FakePodResources();

  absl::Status Serve(const std::string& socket);
  // From now on this container has the device. Any thread.
  void Add(const std::string& ns, const std::string& pod, const std::string& container,
           const std::string& resource, const std::string& device_id);

 private:
  class Service;
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace rendercar::testing
