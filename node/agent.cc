// The node agent: keeps the inventory true, and offers it to the kubelet as resources.
// SPDX-License-Identifier: Apache-2.0
#include "node/agent.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "common/log.h"
#include "node/cdi.h"
#include "node/node_features.h"
#include "node/session_stats.h"

namespace rendercar::node {
namespace {

namespace fs = std::filesystem;

constexpr char kKubeletSocket[] = "kubelet.sock";

absl::Status CheckDirectory(const std::string& directory) {
  std::error_code error;
  if (fs::is_directory(directory, error)) return absl::OkStatus();
  return absl::NotFoundError(fmt::format(
      "the kubelet's directory '{}' does not exist; is this a Kubernetes node, and is the "
      "directory mounted? --kubelet-dir names another",
      directory));
}

}  // namespace

Agent::Agent(EventLoop& loop, const Places& places, const Config& config, Report& report)
    : loop_(loop),
      places_(places),
      config_(config),
      report_(report),
      dirs_({.root = places.session_root}),
      drain_note_(places.session_root),
      health_(places.roots, WedgeNote(places.session_root + "/.wedged"),
              CrashNote(places.session_root + "/.crashes")),
      capsets_(loop, places.capset_probe, report),
      pod_resources_(loop, places.pod_resources_socket),
      client_(loop, places.kubelet_dir + "/" + kKubeletSocket) {}

Agent::~Agent() {
  alive_.reset();
  for (std::thread& stopper : stoppers_) stopper.join();
}

absl::Status Agent::Start() {
  RC_RETURN_IF_ERROR(CheckDirectory(places_.kubelet_dir));
  RemoveStaleSockets(places_.kubelet_dir);
  if (!places_.plugins_registry.empty()) RemoveStaleSockets(places_.plugins_registry);
  std::error_code error;
  kubelet_seen_ = fs::is_socket(places_.kubelet_dir + "/" + kKubeletSocket, error);
  drained_because_ = drain_note_.Read();
  if (drained()) log::Info("draining goes on", {{"reason", drained_because_}});
  watch_ = std::make_unique<DirectoryWatch>(
      loop_, places_.kubelet_dir,
      [this](FileEvent event, const std::string& name) { OnFile(event, name); });
  RC_RETURN_IF_ERROR(Reconfigure(config_));
  WatchDevices();
  if (places_.pod_resources_socket.empty()) {
    WatchSessions();
  } else {  // by the first look at sessions it is known whose they are
    AskForUsers();
    Every(kUsersPeriod, [this] {
      AskForUsers();
      return kUsersPeriod;
    });
  }
  Every(kSessionsPeriod, [this] {
    WatchSessions();
    return kSessionsPeriod;
  });
  Every(kCheckPeriod, [this] {
    CheckAll(false);
    return kCheckPeriod;
  });
  Every(kScanPeriod, [this] {
    if (const absl::Status status = Rescan(); !status.ok()) {
      log::Warning("the inventory could not be read", {{"why", std::string(status.message())}});
    }
    return kScanPeriod;
  });
  Every(kCollectPeriod, [this] { return dirs_.Collect() ? kCheckPeriod : kCollectPeriod; });
  return absl::OkStatus();
}

absl::Status Agent::Rescan() {
  RC_ASSIGN_OR_RETURN(std::vector<RenderNode> nodes, ScanRenderNodes(places_.roots));
  nodes = ApplyConfig(std::move(nodes), config_);
  health_.Check(nodes);
  for (RenderNode& node : nodes) {
    if (node.healthy() && drained())
      node.SetProblem(ProblemKind::kDrained, "drained: " + drained_because_);
  }
  WriteSpecs(nodes);
  capsets_.Update(nodes);
  nodes_->Set(nodes);
  for (size_t i = 0; i < config_.resources.size(); ++i) {
    ResourcePlugin* plugin = Find(config_.resources[i].name);
    if (plugin != nullptr) {
      plugin->Update(config_.resources[i], !config_.cdi_dir.empty(), NodesOf(config_, i, nodes));
    }
  }
  return absl::OkStatus();
}

absl::Status Agent::SetDrained(const std::string& why) {
  drained_because_ = why;
  const absl::Status remembered = drain_note_.Write(why);
  RC_RETURN_IF_ERROR(Rescan());
  return remembered;
}

std::vector<std::pair<std::string, ShareTable>> Agent::Tables() const {
  std::vector<std::pair<std::string, ShareTable>> tables;
  for (const auto& plugin : plugins_) tables.emplace_back(plugin->name(), plugin->Table());
  return tables;
}

absl::Status Agent::Reconfigure(const Config& config) {
  if (!config_.cdi_dir.empty() && config_.cdi_dir != config.cdi_dir) RemoveCdi(config_.cdi_dir);
  if (!config_.nfd_dir.empty() && config_.nfd_dir != config.nfd_dir) {
    RemoveNodeFeatures(config_.nfd_dir);
  }
  config_ = config;
  health_.crashes().SetLimit(config_.crash_limit);
  dirs_.SetOwner(config_.session_owner);
  RetirePlugins();
  return MakePlugins();
}

// Plugins know their shares before they register: kubelets wait for the first list.
absl::Status Agent::MakePlugins() {
  std::vector<ResourcePlugin*> fresh;
  for (const ResourceConfig& resource : config_.resources) {
    if (Find(resource.name) != nullptr) continue;
    plugins_.push_back(
        std::make_unique<ResourcePlugin>(loop_, places_, resource, dirs_, client_, report_));
    fresh.push_back(plugins_.back().get());
  }
  RC_RETURN_IF_ERROR(Rescan());
  for (ResourcePlugin* plugin : fresh) RC_RETURN_IF_ERROR(plugin->Start());
  return absl::OkStatus();
}

ResourcePlugin* Agent::Find(const std::string& resource) const {
  for (const auto& plugin : plugins_) {
    if (plugin->name() == resource) return plugin.get();
  }
  return nullptr;
}

// Plugins whose resource is no longer configured end beside the loop, as at the agent's own end.
void Agent::RetirePlugins() {
  const auto gone =
      std::stable_partition(plugins_.begin(), plugins_.end(), [this](const auto& plugin) {
        return std::any_of(config_.resources.begin(), config_.resources.end(),
                           [&](const ResourceConfig& r) { return r.name == plugin->name(); });
      });
  for (auto it = gone; it != plugins_.end(); ++it) {
    (*it)->Stop();
    report_.ResourceRemoved((*it)->name());
    stoppers_.emplace_back([plugin = it->get()] { plugin->Shutdown(); });
    retired_.push_back(std::move(*it));
  }
  plugins_.erase(gone, plugins_.end());
}

void Agent::WatchSessions() {
  const std::shared_ptr<const ShareUsers> users = users_->Get();
  std::vector<SessionDeaths> deaths;
  for (const SessionStats& one : GatherSessions(places_.session_root, users.get())) {
    const std::string pod =
        users == nullptr ? one.share : absl::StrCat(one.user.ns, "/", one.user.pod);
    deaths.push_back({one.share, one.session, pod, one.stats.start_time_unix_ns,
                      one.stats[StatsValue::kRendererDeaths]});
  }
  health_.crashes().Observe(deaths);
}

// Events only make the next scan come at once.
void Agent::WatchDevices() {
  auto monitor = UdevMonitor::Start(loop_, [this](const DrmEvent& event) { OnDrmEvent(event); });
  if (monitor.ok()) {
    udev_ = *std::move(monitor);
  } else {
    log::Warning("devices are found by scanning only",
                 {{"why", std::string(monitor.status().message())}});
  }
}

void Agent::OnDrmEvent(const DrmEvent& event) {
  log::Debug("device event",
             {{"action", event.action}, {"name", event.name}, {"wedged", event.wedged}});
  const std::string device = fs::path(event.device_path).filename().string();
  if (event.reset) report_.DriverEvent(device, Report::DriverEventKind::kReset, "");
  if (!event.wedged.empty() && event.wedged != "none") {
    health_.Wedged(event.device_path, event.wedged);
    report_.DriverEvent(device, Report::DriverEventKind::kWedged, event.wedged);
  } else if (!event.wedged.empty()) {
    health_.Recovered(event.device_path);
    report_.DriverEvent(device, Report::DriverEventKind::kRecovered, "");
  }
  if (const absl::Status status = Rescan(); !status.ok()) {
    log::Warning("the inventory could not be read", {{"why", std::string(status.message())}});
  }
}

// Before anything is offered: a container that comes back after a reboot needs its specification at
// once.
void Agent::WriteSpecs(const std::vector<RenderNode>& nodes) {
  absl::Status status;
  if (!config_.cdi_dir.empty()) status = UpdateCdi(config_.cdi_dir, nodes, places_.roots);
  if (status.ok() && !config_.nfd_dir.empty()) {
    status = UpdateNodeFeatures(config_.nfd_dir, nodes, config_);
  }
  if (!status.ok()) {
    log::Error("cannot write what others read", {{"why", std::string(status.message())}});
  }
}

void Agent::AskForUsers() {
  std::set<std::string> resources;
  for (const ResourceConfig& resource : config_.resources) resources.insert(resource.name);
  pod_resources_.List(resources, [users = users_](const absl::StatusOr<ShareUsers>& answer) {
    if (answer.ok()) {
      users->Set(*answer);
    } else {
      log::Debug("the kubelet does not tell who uses what",
                 {{"why", std::string(answer.status().message())}});
    }
  });
}

void Agent::OnFile(FileEvent event, const std::string& name) {
  const bool kubelet = name == kKubeletSocket;
  if (kubelet && event == FileEvent::kAppeared) SeeKubelet();
  if (event == FileEvent::kUnknown || kubelet) {
    CheckAll(kubelet && event == FileEvent::kAppeared);
    return;
  }
  for (const auto& plugin : plugins_) {
    if (event == FileEvent::kGone && name == plugin->endpoint()) plugin->Check(false);
  }
}

void Agent::SeeKubelet() {
  if (kubelet_seen_) report_.KubeletRestarted();
  kubelet_seen_ = true;
}

void Agent::CheckAll(bool kubelet_appeared) {
  for (const auto& plugin : plugins_) plugin->Check(kubelet_appeared);
}

void Agent::Every(std::chrono::milliseconds period,
                  absl::AnyInvocable<std::chrono::milliseconds()> task) {
  loop_.PostAfter(period,
                  [this, alive = std::weak_ptr<bool>(alive_), task = std::move(task)]() mutable {
                    if (alive.expired()) return;
                    const std::chrono::milliseconds next = task();
                    Every(next, std::move(task));
                  });
}

// Sockets of resources that an earlier configuration had, when nobody listens there any more.
void Agent::RemoveStaleSockets(const std::string& directory) {
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.rfind("rendercar-", 0) != 0 || !it->is_socket(error)) continue;
    if (ConnectUnix(it->path().string()).ok()) continue;
    ::unlink(it->path().c_str());
    log::Info("removed a stale socket", {{"path", it->path().string()}});
  }
}

void Agent::Stop(Task done) {
  watch_.reset();
  udev_.reset();
  capsets_.Update({});
  alive_.reset();  // ends the timers
  for (const auto& plugin : plugins_) plugin->Stop();
  // gRPC waits for its handlers, and those wait for the loop; so the loop goes on meanwhile.
  stoppers_.emplace_back([this, done = std::move(done)]() mutable {
    for (const auto& plugin : plugins_) plugin->Shutdown();
    for (const auto& plugin : retired_) plugin->Shutdown();
    loop_.Post(std::move(done));
  });
}

}  // namespace rendercar::node
