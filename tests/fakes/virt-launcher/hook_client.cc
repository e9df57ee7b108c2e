// A stand-in for virt-launcher's side of KubeVirt's hook sidecars.
// SPDX-License-Identifier: Apache-2.0
#include "tests/fakes/virt-launcher/hook_client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <thread>

#include "kubevirt/info.grpc.pb.h"
#include "kubevirt/plugins.grpc.pb.h"
#include "kubevirt/v1alpha1.grpc.pb.h"
#include "kubevirt/v1alpha2.grpc.pb.h"
#include "kubevirt/v1alpha3.grpc.pb.h"

namespace rendercar::testing {
namespace {

namespace fs = std::filesystem;
namespace hooks = ::kubevirt::hooks;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::system_clock;

constexpr milliseconds kScanPeriod(300);
constexpr seconds kDialTimeout(2);
constexpr seconds kInfoTimeout(1);
constexpr seconds kDefineBudget(5);
constexpr size_t kLongestSocketPath = 107;
constexpr const char* kVersions[] = {"v1alpha3", "v1alpha2", "v1alpha1"};

// Blocks until HTTP/2 is there, as KubeVirt's dialler does; null when it never is.
std::shared_ptr<grpc::Channel> Dial(const std::string& socket) {
  grpc::ChannelArguments arguments;
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  auto channel =
      grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
  return channel->WaitForConnected(system_clock::now() + kDialTimeout) ? channel : nullptr;
}

absl::Status ToAbsl(const grpc::Status& status, const std::string& what) {
  if (status.ok()) return absl::OkStatus();
  return {static_cast<absl::StatusCode>(status.error_code()),
          absl::StrCat(what, ": ", status.error_message())};
}

absl::StatusOr<Hook> AskInfo(const std::shared_ptr<grpc::Channel>& channel,
                             const std::string& socket) {
  grpc::ClientContext context;
  context.set_deadline(system_clock::now() + kInfoTimeout);
  hooks::info::InfoResult info;
  RC_RETURN_IF_ERROR(
      ToAbsl(hooks::info::Info::NewStub(channel)->Info(&context, {}, &info), "Info"));
  Hook hook{socket, info.name(), "", {}};
  for (const char* version : kVersions) {
    if (hook.version.empty() &&
        std::count(info.versions().begin(), info.versions().end(), version) > 0)
      hook.version = version;
  }
  if (hook.version.empty())
    return absl::UnimplementedError(absl::StrCat(socket, " knows no common version"));
  for (const auto& point : info.hookpoints()) hook.points.push_back(point.name());
  return hook;
}

std::vector<fs::path> Entries(const std::string& dir) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const auto& sub : fs::directory_iterator(dir, ignored)) {
    if (!sub.is_directory()) continue;
    for (const auto& entry : fs::directory_iterator(sub.path(), ignored)) {
      if (!entry.is_directory()) found.push_back(entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

template <typename Service, typename Params, typename Result>
absl::StatusOr<std::string> Define(const std::shared_ptr<grpc::Channel>& channel,
                                   const std::string& xml, const std::string& vmi) {
  grpc::ClientContext context;
  context.set_deadline(system_clock::now() + kDefineBudget);
  Params request;
  request.set_domainxml(xml);
  request.set_vmi(vmi);
  Result result;
  RC_RETURN_IF_ERROR(ToAbsl(Service::NewStub(channel)->OnDefineDomain(&context, request, &result),
                            "OnDefineDomain"));
  return result.domainxml();
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(const std::string& socket) {
  auto channel = Dial(socket);
  if (channel == nullptr) return absl::UnavailableError("cannot dial " + socket);
  return channel;
}

// KubeVirt's own checks of a plugin's socket.
absl::Status AwaitPluginSocket(const std::string& socket) {
  if (socket.size() > kLongestSocketPath)
    return absl::InvalidArgumentError("the plugin's socket path is too long");
  const auto deadline = system_clock::now() + seconds(30);
  while (!fs::exists(fs::symlink_status(socket))) {
    if (system_clock::now() > deadline) return absl::DeadlineExceededError("no " + socket);
    std::this_thread::sleep_for(milliseconds(50));
  }
  if (fs::is_symlink(fs::symlink_status(socket)))
    return absl::PermissionDeniedError("the plugin's socket is a link");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Hook>> CollectHooks(const CollectOptions& options) {
  const auto deadline = system_clock::now() + options.timeout;
  std::vector<Hook> found;
  std::set<std::string> names;
  while (found.size() < options.count) {
    for (const fs::path& entry : Entries(options.dir)) {
      if (names.count(entry.filename()) > 0) continue;
      const auto channel = Dial(entry);
      if (channel == nullptr) continue;  // not ready
      RC_ASSIGN_OR_RETURN(Hook hook, AskInfo(channel, entry));
      names.insert(entry.filename());
      found.push_back(std::move(hook));
    }
    if (found.size() >= options.count) break;
    if (system_clock::now() > deadline)
      return absl::DeadlineExceededError(
          absl::StrCat(found.size(), " of ", options.count, " hook sidecars were found"));
    std::this_thread::sleep_for(kScanPeriod);
  }
  return found;
}

absl::StatusOr<std::string> CallOnDefineDomain(const Hook& hook, const std::string& xml,
                                               const std::string& vmi) {
  RC_ASSIGN_OR_RETURN(const auto channel, Connect(hook.socket));
  if (hook.version == "v1alpha3")
    return Define<hooks::v1alpha3::Callbacks, hooks::v1alpha3::OnDefineDomainParams,
                  hooks::v1alpha3::OnDefineDomainResult>(channel, xml, vmi);
  if (hook.version == "v1alpha2")
    return Define<hooks::v1alpha2::Callbacks, hooks::v1alpha2::OnDefineDomainParams,
                  hooks::v1alpha2::OnDefineDomainResult>(channel, xml, vmi);
  return Define<hooks::v1alpha1::Callbacks, hooks::v1alpha1::OnDefineDomainParams,
                hooks::v1alpha1::OnDefineDomainResult>(channel, xml, vmi);
}

absl::Status CallShutdown(const Hook& hook) {
  RC_ASSIGN_OR_RETURN(const auto channel, Connect(hook.socket));
  grpc::ClientContext context;
  context.set_deadline(system_clock::now() + kDefineBudget);
  hooks::v1alpha3::ShutdownResult result;
  return ToAbsl(hooks::v1alpha3::Callbacks::NewStub(channel)->Shutdown(&context, {}, &result),
                "Shutdown");
}

absl::StatusOr<std::string> CallMutateDomain(const std::string& socket, const std::string& xml,
                                             const std::string& vmi,
                                             const std::string& invocation_context) {
  RC_RETURN_IF_ERROR(AwaitPluginSocket(socket));
  RC_ASSIGN_OR_RETURN(const auto channel, Connect(socket));
  grpc::ClientContext context;
  context.set_deadline(system_clock::now() + kDefineBudget);
  hooks::plugins::v1alpha1::MutateDomainRequest request;
  request.set_domain_type("libvirt");
  request.set_domain(xml);
  request.set_vmi(vmi);
  request.mutable_sidecar_context()->set_invocation_context(invocation_context);
  hooks::plugins::v1alpha1::MutateDomainResponse response;
  RC_RETURN_IF_ERROR(
      ToAbsl(hooks::plugins::v1alpha1::DomainHookService::NewStub(channel)->MutateDomain(
                 &context, request, &response),
             "MutateDomain"));
  return response.domain();
}

}  // namespace rendercar::testing
