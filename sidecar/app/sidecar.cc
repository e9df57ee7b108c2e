// The whole sidecar: checks its surroundings, serves, and takes everything away at the end.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/app/sidecar.h"

#include <absl/strings/str_split.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "common/children/launched_host.h"
#include "common/log.h"
#include "common/loop_call.h"
#include "common/share_env.h"
#include "common/version.h"
#include "sidecar/config/checks.h"
#include "sidecar/config/limits.h"
#include "sidecar/metrics/preflight_collector.h"
#include "sidecar/metrics/session_collector.h"

namespace rendercar::sidecar {
namespace {

constexpr std::chrono::seconds kScrapeDeadline(2);
constexpr std::chrono::seconds kCallGrace(1);
// Notes for the next control process.
constexpr char kPlaceKey[] = "app/kubevirt-socket";
constexpr char kFirstSessionKey[] = "app/first-session";
constexpr char kOff[] = "off";  // as the value of a flag

std::string ParentOf(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

absl::Status CheckControlSocket(const std::string& path) {
  if (path == kOff) return absl::OkStatus();
  RC_RETURN_IF_ERROR(CheckSocketPath(path));
  return CheckWritableDirectory(ParentOf(path),
                                "directory of the control socket (--control-socket)");
}

absl::Status CheckShare(const Share& share) {
  RC_RETURN_IF_ERROR(CheckRenderNode(share.render_node));
  if (share.session_dir.empty()) return absl::OkStatus();
  return CheckWritableDirectory(share.session_dir,
                                absl::StrCat("session directory of share '", share.id, "'"));
}

// What can be checked before anything is made.
absl::Status CheckSurroundings(const Options& options, const std::vector<Share>& shares) {
  RC_RETURN_IF_ERROR(CheckProgram(options.backend, "backend program (--backend)"));
  RC_RETURN_IF_ERROR(CheckWritableDirectory(options.socket_dir, "socket directory (--socket-dir)"));
  RC_RETURN_IF_ERROR(CheckControlSocket(options.control_socket));
  for (const Share& share : shares) RC_RETURN_IF_ERROR(CheckShare(share));
  if (options.create_session.empty()) return absl::OkStatus();
  if (!options.shim_socket.empty())
    return absl::InvalidArgumentError(
        "--shim-socket and --create-session (or KubeVirt) exclude each other, because a share "
        "serves one VM; leave one out");
  RC_RETURN_IF_ERROR(ValidateName(options.create_session));
  return CheckSocketPath(absl::StrCat(options.socket_dir, "/", options.create_session, ".sock"));
}

absl::StatusOr<std::string> BackendBesideThisProgram() {
  char path[4096];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof(path));
  if (size <= 0 || static_cast<size_t>(size) == sizeof(path))
    return ErrnoStatus(errno, "finding this program's directory; name the backend with --backend");
  return ParentOf(std::string(path, static_cast<size_t>(size))) + "rendercar-backend";
}

std::string WithoutTrailingSlash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

// What the JSON names: libvirt spawns the shim where one is served, else the backend.
std::string HelperProgram(const Options& options) {
  return options.shim_socket.empty() ? options.backend
                                     : ParentOf(options.backend) + "rendercar-shim";
}

bool Exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

std::string FromEnvironment(const char* name) {
  const char* value = ::getenv(name);
  return value == nullptr ? "" : value;
}

SessionManager::Config ManagerConfig(const Options& options) {
  SessionManager::Config config{
      options.socket_dir, options.vmm_socket_dir, options.backend, options.limits, "", "", {}};
  if (options.control_socket != kOff) {
    config.screenshot_dir = std::filesystem::path(options.control_socket).parent_path().string();
  }
  config.upgrade_dir = WithoutTrailingSlash(FromEnvironment(share_env::kUpgradeDir));
  config.backend.stop_grace = std::chrono::milliseconds(options.stop_grace_ms);
  return config;
}

// What preflight can know at start.
PreflightInput InputFor(const Options& options, std::vector<Share> shares) {
  const std::string session = options.create_session.empty() ? "gpu0" : options.create_session;
  return {std::move(shares),
          absl::StrCat(options.vmm_socket_dir, "/", session, ".sock"),
          ReadContainerUsage().memory_limit_bytes,
          "",
          "",
          ""};
}

// Where nothing was said: KubeVirt's places in its pods, ours elsewhere.
void FillInPlaces(const KubevirtPlace& place, Options& options) {
  if (options.socket_dir.empty()) {
    options.socket_dir = place.socket ? place.socket_dir : kDefaultSocketDir;
    if (place.socket && options.vmm_socket_dir.empty())
      options.vmm_socket_dir = place.vmm_socket_dir;
  }
  if (options.vmm_socket_dir.empty()) options.vmm_socket_dir = options.socket_dir;
  if (options.control_socket.empty()) {
    // A hook sidecar gets no volume for it.
    const bool nowhere = place.socket && !Exists(ParentOf(kDefaultControlSocket));
    options.control_socket = nowhere ? kOff : kDefaultControlSocket;
  }
  if (place.socket && options.create_session.empty()) options.create_session = "gpu0";
  if (options.display.empty()) options.display = place.socket ? "headless" : "secondary";
}

// Afterwards `options.limits` holds flags of the backend.
absl::Status CompleteLimits(Options& options) {
  RC_ASSIGN_OR_RETURN(options.limits,
                      LimitFlags(FromEnvironment(share_env::kLimits), options.limits));
  for (std::string& flag :
       FailoverFlags(FromEnvironment(share_env::kFailoverNodes), options.failover_nodes))
    options.limits.push_back(std::move(flag));
  return absl::OkStatus();
}

// The name of KubeVirt's socket holds a random part, which must stay the same.
void RestorePlace(const Recovered& recovered, KubevirtPlace& place) {
  const auto note = recovered.notes.find(kPlaceKey);
  if (note == recovered.notes.end() || !place.socket) return;
  const std::vector<std::string> parts = absl::StrSplit(note->second, '\n');
  if (parts.size() == 2 && !parts[0].empty()) place.socket = HookSocket{parts[0], parts[1]};
}

std::string PlaceNote(const KubevirtPlace& place) {
  return place.socket ? absl::StrCat(place.socket->bound, "\n", place.socket->path) : "none";
}

absl::StatusOr<Options> Complete(const Options& given, const KubevirtPlace& place) {
  Options options = given;
  FillInPlaces(place, options);
  options.socket_dir = WithoutTrailingSlash(options.socket_dir);
  options.vmm_socket_dir = WithoutTrailingSlash(options.vmm_socket_dir);
  options.vhost_user_json_dir = WithoutTrailingSlash(options.vhost_user_json_dir);
  RC_RETURN_IF_ERROR(CompleteLimits(options));
  if (options.backend.empty()) {
    RC_ASSIGN_OR_RETURN(options.backend, BackendBesideThisProgram());
  }
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Sidecar>> Sidecar::Create(const Options& given) {
  RC_ASSIGN_OR_RETURN(KubevirtPlace place, FindKubevirt(given.kubevirt, ::getenv));
  RC_ASSIGN_OR_RETURN(const Options options, Complete(given, place));
  RC_ASSIGN_OR_RETURN(const ShareFlags flags, ToShareFlags(options));
  RC_ASSIGN_OR_RETURN(const SessionSpec spec, ToSessionSpec(options));
  RC_ASSIGN_OR_RETURN(std::vector<Share> shares, ResolveShares(::getenv, flags));
  for (Share& share : shares) share.session_dir = WithoutTrailingSlash(share.session_dir);
  RC_ASSIGN_OR_RETURN(std::unique_ptr<ProcessHost> processes, FindProcessHost());
  Recovered recovered = processes->Recover();
  RestorePlace(recovered, place);
  std::unique_ptr<Sidecar> sidecar(
      new Sidecar(options, place, shares, std::move(processes), std::move(recovered)));
  const absl::Status status = sidecar->SetUp(spec, shares);
  if (status.ok()) return sidecar;
  // Nothing of a running session may be taken away: the launcher tries again.
  if (sidecar->restarted_) static_cast<void>(sidecar.release());
  return status;
}

absl::Status Sidecar::SetUp(const SessionSpec& spec, const std::vector<Share>& shares) {
  RC_RETURN_IF_ERROR(MakeDirectories());
  RC_RETURN_IF_ERROR(CheckSurroundings(options_, shares));
  RC_RETURN_IF_ERROR(WriteJson());
  sessions_.Adopt(recovered_);
  RC_RETURN_IF_ERROR(StartServers());
  WatchMemory();
  if (place_.socket) RC_RETURN_IF_ERROR(StartKubevirt(spec));
  if (!spec.name.empty()) CreateFirstSession(spec);
  recovered_ = Recovered();  // what nobody wanted ends
  return absl::OkStatus();
}

Sidecar::Sidecar(Options options, KubevirtPlace place, std::vector<Share> shares,
                 std::unique_ptr<ProcessHost> processes, Recovered recovered)
    : options_(std::move(options)),
      place_(std::move(place)),
      preflight_(InputFor(options_, shares)),
      processes_(std::move(processes)),
      recovered_(std::move(recovered)),
      restarted_(recovered_.notes.contains(kPlaceKey)),
      recovered_first_session_(recovered_.notes.contains(kFirstSessionKey)),
      shim_shares_(options_.shim_socket.empty() ? std::vector<Share>() : shares),
      sessions_(loop_, *processes_, ManagerConfig(options_),
                options_.shim_socket.empty() ? std::move(shares) : std::vector<Share>(), report_),
      signals_(loop_, [this](int signal) { BeginShutdown(absl::StrCat("signal ", signal)); }),
      reaper_(loop_, [this](pid_t pid) { return IsBackend(pid); }) {
  processes_->Remember(kPlaceKey, PlaceNote(place_));
}

Sidecar::~Sidecar() {
  if (server_shutdown_.joinable()) server_shutdown_.join();
  shim_.reset();
  kubevirt_.reset();
  node_server_.reset();
  server_.reset();
  metrics_.reset();
  json_ = OwnedFile();
  for (; !made_directories_.empty(); made_directories_.pop_back())
    ::rmdir(made_directories_.back().c_str());
}

// Those that nobody else can make: in KubeVirt's directory, and the JSON's default one.
absl::Status Sidecar::MakeDirectories() {
  const auto make = [this](const std::string& dir) {
    if (::mkdir(dir.c_str(), 0755) == 0 || restarted_) made_directories_.push_back(dir);
  };
  if (place_.socket && options_.socket_dir == place_.socket_dir) make(place_.socket_dir);
  RC_RETURN_IF_ERROR(
      CheckWritableDirectory(options_.socket_dir, "socket directory (--socket-dir)"));
  if (options_.vhost_user_json_dir.empty()) make(options_.socket_dir + "/vhost-user");
  return absl::OkStatus();
}

absl::Status Sidecar::WriteJson() {
  const std::string dir = options_.vhost_user_json_dir.empty() ? options_.socket_dir + "/vhost-user"
                                                               : options_.vhost_user_json_dir;
  RC_RETURN_IF_ERROR(CheckWritableDirectory(dir, "vhost-user JSON directory"));
  RC_ASSIGN_OR_RETURN(json_, OwnedFile::Write(absl::StrCat(dir, "/", kVhostUserJsonName),
                                              VhostUserJson(OurBackend(HelperProgram(options_)))));
  return absl::OkStatus();
}

absl::Status Sidecar::StartServers() {
  ServerFacts facts{"", json_.path(), [this] { return preflight_.Checks(); },
                    [this] { return shim_ ? shim_->List() : sessions_.List(); },
                    [this] { return shim_ ? shim_->Shares() : sessions_.Shares(); }};
  if (options_.metrics_address != kOff) {
    auto collector = std::make_shared<SessionCollector>([this] { return Snapshot(); },
                                                        [] { return ReadContainerUsage(); });
    auto preflight = std::make_shared<PreflightCollector>([this] { return preflight_.Checks(); });
    collectables_ = {collector, hooks_, preflight};
    RC_ASSIGN_OR_RETURN(metrics_, MetricsServer::Start(options_.metrics_address, collectables_));
    facts.metrics_address = metrics_->address();
  }
  RC_RETURN_IF_ERROR(StartControl(facts));
  preflight_.LogFailures();
  if (!options_.shim_socket.empty()) RC_RETURN_IF_ERROR(StartShim());
  log::Info("sidecar serves", {{"version", kVersion},
                               {"control_socket", options_.control_socket},
                               {"socket_dir", options_.socket_dir},
                               {"metrics", facts.metrics_address},
                               {"vhost_user_json", json_.path()}});
  return absl::OkStatus();
}

void Sidecar::WatchMemory() {
  memory_watch_ = std::make_unique<MemoryWatch>(
      loop_, [this] { return shim_ ? shim_->List() : sessions_.List(); },
      [this](const std::string& session, pid_t renderer, const MemoryUse& use) {
        report_.RendererKilledForMemory(session, renderer, use);
        sessions_.NoteMemoryKill(session, renderer, use);
      },
      MemoryWatch::Config());
}

absl::Status Sidecar::StartShim() {
  const UidPolicy policy{options_.allow_uids};
  RC_ASSIGN_OR_RETURN(
      shim_,
      ShimServer::Start(loop_, *processes_,
                        {options_.shim_socket, options_.backend, shim_shares_,
                         [policy](uid_t uid) { return policy.Allows(uid); }, options_.limits},
                        recovered_));
  return absl::OkStatus();
}

absl::Status Sidecar::StartControl(const ServerFacts& facts) {
  if (options_.control_socket == kOff) return absl::OkStatus();
  api_ = std::make_unique<SidecarApi>(loop_, sessions_, facts);
  session_service_ = std::make_unique<api_service::SessionService>(*api_);
  inventory_service_ = std::make_unique<api_service::InventoryService>(*api_);
  inventory_service_->SetDiagnostics({[this] { return options_.as_text; }, collectables_});
  v1alpha1_service_ =
      std::make_unique<api_service::V1alpha1Service>(*session_service_, *inventory_service_);
  RC_ASSIGN_OR_RETURN(
      server_, UnixGrpcServer::Start(
                   loop_, options_.control_socket, UidPolicy{options_.allow_uids},
                   {session_service_.get(), inventory_service_.get(), v1alpha1_service_.get()}));
  return ServeNodeAgent();
}

// The same API in the session directory of each share, where the node agent finds it.
absl::Status Sidecar::ServeNodeAgent() {
  for (const ShareUse& use : sessions_.Shares()) {
    if (use.share.session_dir.empty()) continue;
    const std::string path = absl::StrCat(use.share.session_dir, "/", share_env::kApiSocket);
    if (CheckSocketPath(path).ok()) {
      RC_ASSIGN_OR_RETURN(
          node_server_, UnixGrpcServer::Start(loop_, path, UidPolicy{options_.allow_uids},
                                              {session_service_.get(), inventory_service_.get()}));
    }
    return absl::OkStatus();  // once is enough: it shows all sessions
  }
  return absl::OkStatus();
}

absl::Status Sidecar::StartKubevirt(SessionSpec defaults) {
  RC_ASSIGN_OR_RETURN(kubevirt_,
                      KubevirtServer::Start(loop_, sessions_, hook_fan_, place_, defaults,
                                            UidPolicy{options_.allow_uids},
                                            [this] { BeginShutdown("virt-launcher asked"); }));
  return absl::OkStatus();
}

void Sidecar::CreateFirstSession(const SessionSpec& spec) {
  loop_.Post([this, spec] {
    const auto done = [this](const absl::StatusOr<SessionView>& session) {
      if (shutting_down_) return;
      result_ = FirstSessionIsThere(session);
      if (!result_.ok()) BeginShutdown("the first session cannot be made");
    };
    if (sessions_.Get(spec.name).ok()) {
      sessions_.Wait(spec.name, done);
    } else if (recovered_first_session_) {  // it was there, and somebody deleted it
      result_ = kubevirt_ ? kubevirt_->Publish() : absl::OkStatus();
    } else {
      sessions_.Create(spec, done);
    }
  });
}

absl::Status Sidecar::FirstSessionIsThere(const absl::StatusOr<SessionView>& session) {
  RC_RETURN_IF_ERROR(session.status());
  processes_->Remember(kFirstSessionKey, "made");
  return kubevirt_ ? kubevirt_->Publish() : absl::OkStatus();
}

bool Sidecar::IsBackend(pid_t pid) const {
  if (shim_ && shim_->Owns(pid)) return true;
  for (const SessionView& session : sessions_.List()) {
    if (session.backend_pid == pid || session.upgrade_pid == pid) return true;
  }
  return false;
}

MetricsSource Sidecar::Snapshot() {
  const auto source = CallOnLoop<MetricsSource>(
      loop_, std::chrono::system_clock::now() + kScrapeDeadline,
      [this](Answer<MetricsSource> answer) {
        answer(shim_ ? MetricsSource{shim_->List(), shim_->Shares()}
                     : MetricsSource{sessions_.List(), sessions_.Shares()});
      });
  return source.ok() ? *source : MetricsSource{};
}

// Sessions end first; the loop goes on meanwhile, so that calls in progress are answered.
void Sidecar::BeginShutdown(const std::string& why) {
  if (std::exchange(shutting_down_, true)) return;
  log::Info("shutting down", {{"reason", why}});
  shim_.reset();
  sessions_.StopAll([this](const absl::Status&) {
    server_shutdown_ = std::thread([this] {
      if (kubevirt_) kubevirt_->Shutdown(kCallGrace);
      if (session_service_) session_service_->StopWatches();
      if (node_server_) node_server_->Shutdown(kCallGrace);
      if (server_) server_->Shutdown(kCallGrace);
      loop_.Quit();
    });
  });
}

absl::Status Sidecar::Run() {
  loop_.Run();
  return result_;
}

}  // namespace rendercar::sidecar
