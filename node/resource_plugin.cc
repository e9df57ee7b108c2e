// One resource as the kubelet sees it: its shares, its socket, its registration.
// SPDX-License-Identifier: Apache-2.0
#include "node/resource_plugin.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "common/log.h"

namespace rendercar::node {
namespace {

constexpr char kOwnDomain[] = "rendercar.dev/";

// Checks (one a second) that a registered plugin may be without a stream before it registers anew.
constexpr int kChecksWithoutStream = 3;

// Calls that have not ended by themselves after this are cancelled.
constexpr std::chrono::milliseconds kShutdownGrace{500};

bool SocketExists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode);
}

}  // namespace

std::string EndpointFor(const std::string& resource_name) {
  std::string stem = resource_name;
  if (stem.rfind(kOwnDomain, 0) == 0) stem.erase(0, sizeof(kOwnDomain) - 1);
  std::replace(stem.begin(), stem.end(), '/', '_');
  return "rendercar-" + stem + ".sock";
}

ResourcePlugin::ResourcePlugin(EventLoop& loop, const Places& places, const ResourceConfig& config,
                               SessionDirs& dirs, RegistrationClient& client, Report& report)
    : places_(places),
      config_(config),
      endpoint_(EndpointFor(config.name)),
      path_(places.kubelet_dir + "/" + endpoint_),
      dirs_(dirs),
      report_(report),
      service_(loop, *this),
      server_(loop, {&service_}, {}),
      watcher_service_(loop, report, config.name, path_),
      watcher_server_(places.plugins_registry.empty()
                          ? nullptr
                          : std::make_unique<UnixGrpcServer>(
                                loop, std::vector<grpc::Service*>{&watcher_service_},
                                UnixGrpcServer::Options{})),
      registrar_(loop, client, report, config.name, endpoint_) {}

ResourcePlugin::~ResourcePlugin() = default;

absl::Status ResourcePlugin::Start() {
  RC_RETURN_IF_ERROR(server_.Listen(path_));
  if (watcher_server_ != nullptr) return ListenForWatcher();
  if (SocketExists(places_.kubelet_dir + "/kubelet.sock")) registrar_.Start();
  return absl::OkStatus();
}

void ResourcePlugin::Update(const ResourceConfig& config, bool use_cdi,
                            std::vector<RenderNode> nodes) {
  use_cdi_ = use_cdi;
  const bool same_cut = config.sizes == config_.sizes;
  config_ = config;
  if (same_cut && nodes == table_.nodes()) return;
  table_ = ShareTable(std::move(nodes), config_.sizes);
  report_.SharesChanged(config_.name, table_);
  service_.SendList();
}

absl::Status ResourcePlugin::ListenForWatcher() {
  return watcher_server_->Listen(places_.plugins_registry + "/" + endpoint_);
}

void ResourcePlugin::Shutdown() {
  server_.Shutdown(kShutdownGrace);
  if (watcher_server_ != nullptr) watcher_server_->Shutdown(kShutdownGrace);
}

void ResourcePlugin::Check(bool kubelet_appeared) {
  if (stopped_) return;
  const bool restored = RestoreSocket();
  if (watcher_server_ != nullptr) {
    // The watcher asks again when a socket appears; a kubelet that forgot the plugin sees a new
    // one.
    if (restored || !watcher_server_->PathIsOurs() || StreamIsMissing()) {
      checks_without_stream_ = 0;
      const absl::Status ignored = ListenForWatcher();  // the next check tries again
    }
    return;
  }
  if (!SocketExists(places_.kubelet_dir + "/kubelet.sock")) {
    registrar_.Lose("the kubelet's socket is gone");
  } else if (kubelet_appeared || restored || registrar_.idle() || StreamIsMissing()) {
    checks_without_stream_ = 0;
    registrar_.Start();
  }
}

// A registered plugin has the kubelet's ListAndWatch open; one that stays without was forgotten.
bool ResourcePlugin::StreamIsMissing() {
  const bool expected = registrar_.registered() || watcher_server_ != nullptr;
  const bool missing = expected && service_.stream_count() == 0;
  checks_without_stream_ = missing ? checks_without_stream_ + 1 : 0;
  return checks_without_stream_ >= kChecksWithoutStream;
}

bool ResourcePlugin::RestoreSocket() {
  if (server_.PathIsOurs()) return false;
  if (const absl::Status status = server_.Listen(path_); !status.ok()) {
    log::Debug("cannot restore the socket", {{"why", std::string(status.message())}});
    return false;  // the next check tries again
  }
  report_.SocketRestored(config_.name, path_);
  return true;
}

void ResourcePlugin::Stop() {
  stopped_ = true;
  registrar_.Lose("the node agent stops");
  service_.Stop();
  server_.StopListening();
  if (watcher_server_ != nullptr) watcher_server_->StopListening();
}

AllocationPolicy ResourcePlugin::Policy() const {
  return {.resource_name = config_.name,
          .max_shares_per_container = config_.max_shares_per_container,
          .allow_same_node = config_.allow_same_node,
          .use_cdi = use_cdi_,
          .limits = config_.limits,
          .time_by_shares = config_.fairness == Fairness::kShares,
          .failover = config_.failover,
          .upgrade_dir = config_.upgrade_dir};
}

absl::StatusOr<std::vector<ContainerGrant>> ResourcePlugin::Allocate(
    const AllocationRequest& request) {
  auto grants = AllocateShares(table_, Policy(), request, dirs_);
  size_t shares = 0;
  for (const auto& ids : request) shares += ids.size();
  report_.Allocated(config_.name, shares, grants.status());
  return grants;
}

absl::StatusOr<std::vector<std::string>> ResourcePlugin::Prefer(
    const std::vector<std::string>& available, const std::vector<std::string>& must_include,
    int size) {
  return PreferShares(table_, {config_.placement, config_.allow_same_node}, available, must_include,
                      size);
}

// Kubelets ask at every start of a container, so also when one starts again on a node that is
// drained or too hot, or after a configuration that has no such share any more. Only what the
// container cannot do without counts here.
absl::Status ResourcePlugin::PreStart(const std::vector<std::string>& share_ids) {
  RC_ASSIGN_OR_RETURN(std::vector<RenderNode> nodes, ScanRenderNodes(places_.roots));
  nodes.push_back(SoftwareRenderNode());
  for (const std::string& id : share_ids) {
    const std::string node_id = NodeIdOf(id);
    const auto node = std::find_if(nodes.begin(), nodes.end(),
                                   [&](const RenderNode& one) { return one.id == node_id; });
    if (node == nodes.end()) {
      return absl::NotFoundError(fmt::format("the render node of share '{}' is not on this machine",
                                             id.substr(0, kMaxShareIdBytes)));
    }
    if (!node->healthy()) {
      return absl::UnavailableError(
          fmt::format("share '{}' cannot be used: {}", id, node->problem));
    }
  }
  return absl::OkStatus();
}

}  // namespace rendercar::node
