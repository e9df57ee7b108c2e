// The whole sidecar: checks its surroundings, serves, and takes everything away at the end.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "common/epoll_loop.h"
#include "common/grpc/unix_grpc_server.h"
#include "common/program.h"
#include "operator-api/service/services.h"
#include "operator-api/service/v1alpha1_service.h"
#include "sidecar/app/hook_fan.h"
#include "sidecar/app/kubevirt_server.h"
#include "sidecar/app/options.h"
#include "sidecar/app/orphan_reaper.h"
#include "sidecar/control/sidecar_api.h"
#include "sidecar/definition/vhost_user_json.h"
#include "sidecar/metrics/hook_metrics.h"
#include "sidecar/metrics/metrics_server.h"
#include "sidecar/metrics/session_collector.h"
#include "sidecar/preflight/preflight_status.h"
#include "sidecar/session/memory_watch.h"
#include "sidecar/session/session_manager.h"
#include "sidecar/shim/shim_server.h"

namespace rendercar::sidecar {

class Sidecar {
 public:
  // Checks everything that can be known before anything is made; nothing is left behind on failure.
  static absl::StatusOr<std::unique_ptr<Sidecar>> Create(const Options& options);
  ~Sidecar();

  // Serves until SIGTERM or SIGINT; OK then. Fails when the session of --create-session cannot be
  // made.
  absl::Status Run();

 private:
  Sidecar(Options options, KubevirtPlace place, std::vector<Share> shares,
          std::unique_ptr<ProcessHost> processes, Recovered recovered);
  absl::Status SetUp(const SessionSpec& spec, const std::vector<Share>& shares);
  absl::Status MakeDirectories();
  absl::Status WriteJson();
  absl::Status StartServers();
  void WatchMemory();
  absl::Status StartShim();
  absl::Status StartControl(const ServerFacts& facts);
  absl::Status ServeNodeAgent();
  absl::Status StartKubevirt(SessionSpec defaults);
  void CreateFirstSession(const SessionSpec& spec);
  absl::Status FirstSessionIsThere(const absl::StatusOr<SessionView>& session);
  void BeginShutdown(const std::string& why);
  bool IsBackend(pid_t pid) const;
  // Answers from any thread.
  MetricsSource Snapshot();

  const Options options_;
  const KubevirtPlace place_;
  EpollLoop loop_;
  LogSessionReport report_;
  PreflightStatus preflight_;
  const std::unique_ptr<ProcessHost> processes_;
  Recovered recovered_;                   // until it is adopted
  const bool restarted_;                  // an earlier control process was here
  const bool recovered_first_session_;    // and had made --create-session's
  const std::vector<Share> shim_shares_;  // all shares when a shim is served, else none
  SessionManager sessions_;
  // Both block signals, so they come before whatever starts threads.
  ShutdownSignals signals_;
  OrphanReaper reaper_;
  std::vector<std::string> made_directories_;  // removed at the end
  OwnedFile json_;
  const std::shared_ptr<HookMetrics> hooks_ = std::make_shared<HookMetrics>();
  HookFan hook_fan_{*hooks_, preflight_};
  std::vector<std::shared_ptr<prometheus::Collectable>> collectables_;
  std::unique_ptr<MetricsServer> metrics_;
  std::unique_ptr<SidecarApi> api_;
  std::unique_ptr<api_service::SessionService> session_service_;
  std::unique_ptr<api_service::InventoryService> inventory_service_;
  std::unique_ptr<api_service::V1alpha1Service> v1alpha1_service_;
  std::unique_ptr<UnixGrpcServer> server_;
  std::unique_ptr<UnixGrpcServer> node_server_;  // the same, for the node agent
  std::unique_ptr<KubevirtServer> kubevirt_;
  std::unique_ptr<ShimServer> shim_;
  std::unique_ptr<MemoryWatch> memory_watch_;
  std::thread server_shutdown_;
  bool shutting_down_ = false;
  absl::Status result_;
};

}  // namespace rendercar::sidecar
