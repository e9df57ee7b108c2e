// A stand-in for the kubelet's device manager: the real one's order, deadlines and wipe of its
// directory, without a cluster.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/status.h"
#include "kubelet/deviceplugin/v1beta1/api.grpc.pb.h"

namespace rendercar::testing {

// What the kubelet knows of one resource.
struct FakeResource {
  std::string endpoint;
  v1beta1::DevicePluginOptions options;
  bool connected = false;  // its ListAndWatch is open
  int lists = 0;           // messages received
  std::vector<v1beta1::Device> devices;

  size_t healthy() const;
};

// Serves Registration on DIR/kubelet.sock; for each plugin that registers, dials back (authority
// localhost), asks for its options, and follows ListAndWatch on a thread. Any thread may call it.
class FakeKubelet {
 public:
  using Log = std::function<void(const std::string& line)>;

  explicit FakeKubelet(std::string directory, Log log = nullptr);
  ~FakeKubelet();

  // Wipes the directory of all but directories and the checkpoint, then serves; also after Stop, as
  // a restarted kubelet. Errors name the path.
  absl::Status Start();
  // Ends as a stopped kubelet: connections break, kubelet.sock goes, the plugins' sockets stay.
  void Stop();

  // Forgets the plugins' lists without a word, as a kubelet with a bug.
  void DropStreams();

  // Waits until `condition` holds for the resource; false after `timeout`.
  bool WaitFor(const std::string& resource,
               const std::function<bool(const FakeResource&)>& condition,
               std::chrono::milliseconds timeout);
  std::optional<FakeResource> Resource(const std::string& name);
  // How often a plugin was registered since the last Start.
  int registrations();
  // The last `:authority` that a Register call came with.
  std::string authority();

  // As the kubelet does for one container: GetPreferredAllocation when offered, Allocate, then
  // PreStartContainer when asked for.
  struct Allocation {
    std::vector<std::string> device_ids;
    v1beta1::ContainerAllocateResponse response;
  };
  absl::StatusOr<Allocation> AllocateContainer(const std::string& resource, int count);

  // The plain calls, for tests of requests that no kubelet makes.
  grpc::Status Allocate(const std::string& resource, const v1beta1::AllocateRequest& request,
                        v1beta1::AllocateResponse* response);
  grpc::Status Prefer(const std::string& resource,
                      const v1beta1::PreferredAllocationRequest& request,
                      v1beta1::PreferredAllocationResponse* response);
  grpc::Status PreStart(const std::string& resource, const std::vector<std::string>& ids);

 private:
  class RegistrationService;
  struct Plugin;

  grpc::Status Register(const v1beta1::RegisterRequest& request, const std::string& authority);
  void Follow(const std::string& name, const std::shared_ptr<Plugin>& plugin);
  std::shared_ptr<Plugin> Find(const std::string& resource);
  std::vector<std::string> PickFree(const std::string& resource, int count);
  void Say(const std::string& line);

  const std::string directory_;
  const Log log_;
  std::unique_ptr<RegistrationService> service_;
  std::unique_ptr<grpc::Server> server_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::shared_ptr<Plugin>> plugins_;
  std::vector<std::shared_ptr<Plugin>> replaced_;
  int registrations_ = 0;
  std::string authority_;
  std::vector<std::string> allocated_;
  std::vector<std::thread> followers_;
};

}  // namespace rendercar::testing
