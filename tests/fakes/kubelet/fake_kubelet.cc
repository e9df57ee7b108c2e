// A stand-in for the kubelet's device manager: the real one's order, deadlines and wipe of its
// directory, without a cluster.
// SPDX-License-Identifier: Apache-2.0
#include "tests/fakes/kubelet/fake_kubelet.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "common/unix_socket.h"

namespace rendercar::testing {
namespace {

namespace fs = std::filesystem;
using std::chrono_literals::operator""s;

constexpr char kCheckpoint[] = "kubelet_internal_checkpoint";

absl::Status Wipe(const std::string& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  fs::directory_iterator entries(directory, error);
  if (error) {
    return ErrnoStatus(error.value(), fmt::format("cannot use directory '{}'", directory));
  }
  for (const fs::directory_entry& entry : entries) {
    if (entry.is_directory(error) || entry.path().filename() == kCheckpoint) continue;
    fs::remove(entry.path(), error);
  }
  return absl::OkStatus();
}

std::shared_ptr<grpc::Channel> Dial(const std::string& socket) {
  grpc::ChannelArguments arguments;
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
}

// An extended resource: "domain/name" outside kubernetes.io.
bool IsExtendedResource(const std::string& name) {
  const size_t slash = name.find('/');
  return slash != std::string::npos && slash > 0 && slash + 1 < name.size() &&
         name.find('/', slash + 1) == std::string::npos &&
         name.substr(0, slash).find("kubernetes.io") == std::string::npos;
}

absl::Status FromGrpc(const std::string& call, const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      fmt::format("{} failed: {}", call, status.error_message()));
}

}  // namespace

size_t FakeResource::healthy() const {
  return static_cast<size_t>(
      std::count_if(devices.begin(), devices.end(),
                    [](const v1beta1::Device& device) { return device.health() == "Healthy"; }));
}

// One registered endpoint.
struct FakeKubelet::Plugin {
  FakeResource resource;
  std::unique_ptr<v1beta1::DevicePlugin::Stub> stub;
  grpc::ClientContext watch;
};

class FakeKubelet::RegistrationService final : public v1beta1::Registration::Service {
 public:
  explicit RegistrationService(FakeKubelet& kubelet) : kubelet_(kubelet) {}
  grpc::Status Register(grpc::ServerContext* context, const v1beta1::RegisterRequest* request,
                        v1beta1::Empty*) override {
    const grpc::string_ref authority = context->ExperimentalGetAuthority();
    return kubelet_.Register(*request, std::string(authority.data(), authority.size()));
  }

 private:
  FakeKubelet& kubelet_;
};

FakeKubelet::FakeKubelet(std::string directory, Log log)
    : directory_(std::move(directory)), log_(std::move(log)) {}

FakeKubelet::~FakeKubelet() { Stop(); }

absl::Status FakeKubelet::Start() {
  RC_RETURN_IF_ERROR(Wipe(directory_));
  const std::string socket = directory_ + "/kubelet.sock";
  if (socket.size() > kMaxSocketPathBytes) {
    return absl::InvalidArgumentError(
        fmt::format("socket path '{}' is longer than {} bytes", socket, kMaxSocketPathBytes));
  }
  {
    const std::lock_guard lock(mutex_);
    registrations_ = 0;
    allocated_.clear();
  }
  service_ = std::make_unique<RegistrationService>(*this);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
  builder.RegisterService(service_.get());
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) {
    return absl::UnavailableError(fmt::format("cannot listen on '{}'", socket));
  }
  Say("serving on " + socket);
  return absl::OkStatus();
}

void FakeKubelet::Stop() {
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now());
  server_.reset();
  DropStreams();
  for (std::thread& follower : followers_) follower.join();
  followers_.clear();
  const std::lock_guard lock(mutex_);
  plugins_.clear();
  replaced_.clear();
}

void FakeKubelet::DropStreams() {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, plugin] : plugins_) plugin->watch.TryCancel();
  for (const auto& plugin : replaced_) plugin->watch.TryCancel();
}

grpc::Status FakeKubelet::Register(const v1beta1::RegisterRequest& request,
                                   const std::string& authority) {
  if (request.version() != "v1beta1") {
    return {
        grpc::StatusCode::UNKNOWN,
        fmt::format("requested API version \"{}\" is not supported by kubelet. Supported version "
                    "is [\"v1beta1\"]",
                    request.version())};
  }
  if (!IsExtendedResource(request.resource_name())) {
    return {grpc::StatusCode::UNKNOWN,
            fmt::format("the ResourceName \"{}\" is invalid", request.resource_name())};
  }
  auto plugin = std::make_shared<Plugin>();
  plugin->resource.endpoint = request.endpoint();
  plugin->stub = v1beta1::DevicePlugin::NewStub(Dial(directory_ + "/" + request.endpoint()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + 10s);
  context.set_wait_for_ready(true);
  const grpc::Status status =
      plugin->stub->GetDevicePluginOptions(&context, v1beta1::Empty(), &plugin->resource.options);
  if (!status.ok()) {
    return {grpc::StatusCode::UNKNOWN,
            fmt::format("failed to dial device plugin: {}", status.error_message())};
  }
  const std::lock_guard lock(mutex_);
  ++registrations_;
  authority_ = authority;
  auto& slot = plugins_[request.resource_name()];
  if (slot != nullptr) {
    slot->watch.TryCancel();
    replaced_.push_back(slot);
  }
  slot = plugin;
  followers_.emplace_back([this, name = request.resource_name(), plugin] { Follow(name, plugin); });
  Say(fmt::format("registered {} at {}", request.resource_name(), request.endpoint()));
  changed_.notify_all();
  return grpc::Status::OK;
}

void FakeKubelet::Follow(const std::string& name, const std::shared_ptr<Plugin>& plugin) {
  const auto stream = plugin->stub->ListAndWatch(&plugin->watch, v1beta1::Empty());
  v1beta1::ListAndWatchResponse list;
  while (stream->Read(&list)) {
    const std::lock_guard lock(mutex_);
    plugin->resource.connected = true;
    ++plugin->resource.lists;
    plugin->resource.devices.assign(list.devices().begin(), list.devices().end());
    Say(fmt::format("{} has {} devices, {} of them healthy", name, list.devices_size(),
                    plugin->resource.healthy()));
    changed_.notify_all();
  }
  const grpc::Status status = stream->Finish();
  const std::lock_guard lock(mutex_);
  plugin->resource.connected = false;
  // As the real one: the devices stay known, and count as unhealthy from now on.
  for (v1beta1::Device& device : plugin->resource.devices) device.set_health("Unhealthy");
  Say(fmt::format("{} ended its list: {}", name, status.ok() ? "OK" : status.error_message()));
  changed_.notify_all();
}

bool FakeKubelet::WaitFor(const std::string& resource,
                          const std::function<bool(const FakeResource&)>& condition,
                          std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [&] {
    const auto found = plugins_.find(resource);
    return found != plugins_.end() && condition(found->second->resource);
  });
}

std::optional<FakeResource> FakeKubelet::Resource(const std::string& name) {
  const auto plugin = Find(name);
  if (plugin == nullptr) return std::nullopt;
  const std::lock_guard lock(mutex_);
  return plugin->resource;
}

int FakeKubelet::registrations() {
  const std::lock_guard lock(mutex_);
  return registrations_;
}

std::string FakeKubelet::authority() {
  const std::lock_guard lock(mutex_);
  return authority_;
}

std::shared_ptr<FakeKubelet::Plugin> FakeKubelet::Find(const std::string& resource) {
  const std::lock_guard lock(mutex_);
  const auto found = plugins_.find(resource);
  return found == plugins_.end() ? nullptr : found->second;
}

std::vector<std::string> FakeKubelet::PickFree(const std::string& resource, int count) {
  const auto plugin = Find(resource);
  std::vector<std::string> free;
  if (plugin == nullptr) return free;
  const std::lock_guard lock(mutex_);
  for (const v1beta1::Device& device : plugin->resource.devices) {
    const bool taken =
        std::find(allocated_.begin(), allocated_.end(), device.id()) != allocated_.end();
    if (!taken && device.health() == "Healthy") free.push_back(device.id());
  }
  return static_cast<int>(free.size()) < count ? std::vector<std::string>() : free;
}

absl::StatusOr<FakeKubelet::Allocation> FakeKubelet::AllocateContainer(const std::string& resource,
                                                                       int count) {
  const auto known = Resource(resource);
  std::vector<std::string> ids = PickFree(resource, count);
  if (!known.has_value() || ids.empty()) {
    return absl::UnavailableError(fmt::format("insufficient {}", resource));
  }
  if (known->options.get_preferred_allocation_available()) {
    v1beta1::PreferredAllocationRequest request;
    auto* container = request.add_container_requests();
    for (const std::string& id : ids) container->add_available_deviceids(id);
    container->set_allocation_size(count);
    v1beta1::PreferredAllocationResponse response;
    RC_RETURN_IF_ERROR(FromGrpc("GetPreferredAllocation", Prefer(resource, request, &response)));
    if (response.container_responses_size() != 1) {
      return absl::InternalError("GetPreferredAllocation did not answer for one container");
    }
    const auto& preferred = response.container_responses(0).deviceids();
    ids.assign(preferred.begin(), preferred.end());
  }
  ids.resize(static_cast<size_t>(count));
  v1beta1::AllocateRequest request;
  auto* container = request.add_container_requests();
  for (const std::string& id : ids) container->add_devices_ids(id);
  v1beta1::AllocateResponse response;
  RC_RETURN_IF_ERROR(FromGrpc("Allocate", Allocate(resource, request, &response)));
  if (response.container_responses_size() != 1) {
    return absl::InternalError("Allocate did not answer for one container");
  }
  if (known->options.pre_start_required()) {
    RC_RETURN_IF_ERROR(FromGrpc("PreStartContainer", PreStart(resource, ids)));
  }
  const std::lock_guard lock(mutex_);
  allocated_.insert(allocated_.end(), ids.begin(), ids.end());
  return Allocation{std::move(ids), response.container_responses(0)};
}

grpc::Status FakeKubelet::Allocate(const std::string& resource,
                                   const v1beta1::AllocateRequest& request,
                                   v1beta1::AllocateResponse* response) {
  const auto plugin = Find(resource);
  if (plugin == nullptr) return {grpc::StatusCode::NOT_FOUND, "no such resource"};
  grpc::ClientContext context;
  return plugin->stub->Allocate(&context, request, response);
}

grpc::Status FakeKubelet::Prefer(const std::string& resource,
                                 const v1beta1::PreferredAllocationRequest& request,
                                 v1beta1::PreferredAllocationResponse* response) {
  const auto plugin = Find(resource);
  if (plugin == nullptr) return {grpc::StatusCode::NOT_FOUND, "no such resource"};
  grpc::ClientContext context;
  return plugin->stub->GetPreferredAllocation(&context, request, response);
}

grpc::Status FakeKubelet::PreStart(const std::string& resource,
                                   const std::vector<std::string>& ids) {
  const auto plugin = Find(resource);
  if (plugin == nullptr) return {grpc::StatusCode::NOT_FOUND, "no such resource"};
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + 30s);
  v1beta1::PreStartContainerRequest request;
  for (const std::string& id : ids) request.add_devices_ids(id);
  v1beta1::PreStartContainerResponse response;
  return plugin->stub->PreStartContainer(&context, request, &response);
}

void FakeKubelet::Say(const std::string& line) {
  if (log_) log_(line);
}

}  // namespace rendercar::testing
