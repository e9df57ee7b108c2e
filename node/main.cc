// rendercar-node: flags and wiring of the node agent.
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <thread>

#include "common/epoll_loop.h"
#include "common/grpc/unix_grpc_server.h"
#include "common/log.h"
#include "common/program.h"
#include "node/agent.h"
#include "node/api_server.h"
#include "node/config_source.h"
#include "node/hangup_signal.h"
#include "node/latest.h"
#include "node/metrics_server.h"
#include "node/node_api.h"
#include "node/node_collector.h"
#include "node/node_hook_service.h"
#include "node/node_metrics.h"
#include "node/one_shot.h"
#include "node/session_collector.h"
#include "node/session_state_collector.h"

namespace rendercar::node {
namespace {

constexpr char kProgram[] = "rendercar-node";
constexpr size_t kKeptLogLines = 500;
constexpr std::chrono::seconds kHookGrace(1);

// A scrape waits no longer for sidecars.
constexpr std::chrono::seconds kScrapePatience(1);
using NoSessions = std::vector<v1::Session>;

struct Flags {
  Places places;
  std::string config_path;
  // What overrides the configuration file.
  std::optional<SoftwareMode> software;
  std::optional<uint32_t> replicas;
  std::optional<std::string> resource;
  std::string metrics_address = "127.0.0.1:9464";
  std::string kubevirt_node_hook;  // empty: none
  ApiFlags api;
  bool one_shot = false;
  bool check_config = false;
  bool print_config = false;
  std::string output = "table";
};

void AddPlaceFlags(CLI::App& app, Flags& flags) {
  app.add_option("--kubelet-dir", flags.places.kubelet_dir,
                 "The kubelet's device-plugin directory (/var/lib/kubelet/device-plugins)")
      ->envname("RENDERCAR_NODE_KUBELET_DIR")
      ->option_text("DIR");
  app.add_option("--session-root", flags.places.session_root,
                 "Host directory below which each allocation gets a directory of its own "
                 "(/var/lib/rendercar/sessions)")
      ->envname("RENDERCAR_NODE_SESSION_ROOT")
      ->option_text("DIR");
  app.add_option("--plugins-registry", flags.places.plugins_registry,
                 "Register by the kubelet's plugin watcher in this directory (usually "
                 "/var/lib/kubelet/plugins_registry) instead of on kubelet.sock")
      ->envname("RENDERCAR_NODE_PLUGINS_REGISTRY")
      ->option_text("DIR");
  app.add_option("--pod-resources-socket", flags.places.pod_resources_socket,
                 "The kubelet's socket that tells which pod has which share ("
                 "/var/lib/kubelet/pod-resources/kubelet.sock); none: sessions have no pod label")
      ->envname("RENDERCAR_NODE_POD_RESOURCES_SOCKET")
      ->option_text("SOCKET");
  app.add_option(
         "--capset-probe", flags.places.capset_probe,
         "Program (rendercar-renderer) that finds out what 3D each render node gives; run once a "
         "node, may crash")
      ->envname("RENDERCAR_NODE_CAPSET_PROBE")
      ->option_text("PROGRAM");
  app.add_option("--proc-root", flags.places.proc,
                 "Where the host's processes are seen, for what sessions use of a GPU (/proc); "
                 "none: not looked for")
      ->envname("RENDERCAR_NODE_PROC_ROOT")
      ->option_text("DIR");
  app.add_option(
         "--kubevirt-node-hook", flags.kubevirt_node_hook,
         "Serve KubeVirt's node hooks on this socket (/var/run/kubevirt/plugins/rendercar.sock), "
         "which refuses live migration; without it none")
      ->envname("RENDERCAR_NODE_KUBEVIRT_NODE_HOOK")
      ->option_text("SOCKET");
  app.add_option("--sysfs-root", flags.places.roots.sysfs, "Where sysfs is mounted (/sys)")
      ->option_text("DIR");
  app.add_option("--dev-root", flags.places.roots.dev, "Where the host's device files are (/dev)")
      ->option_text("DIR");
  app.add_option(
         "--metrics-address", flags.metrics_address,
         "HOST:PORT for /metrics and /healthz (127.0.0.1:9464); port 0 chooses one; none: no "
         "metrics")
      ->envname("RENDERCAR_NODE_METRICS_ADDRESS")
      ->option_text("ADDRESS");
}

void AddConfigFlags(CLI::App& app, Flags& flags) {
  const std::map<std::string, SoftwareMode> modes{{"auto", SoftwareMode::kAuto},
                                                  {"always", SoftwareMode::kAlways},
                                                  {"never", SoftwareMode::kNever}};
  app.add_option("--config", flags.config_path,
                 "Configuration file (YAML); read again on SIGHUP and when it changes")
      ->envname("RENDERCAR_NODE_CONFIG")
      ->option_text("FILE");
  app.add_option("--software", flags.software,
                 "Offer the software render node: auto (where there is no other), always, never")
      ->transform(CLI::CheckedTransformer(modes, CLI::ignore_case))
      ->envname("RENDERCAR_NODE_SOFTWARE")
      ->option_text("MODE");
  app.add_option("--replicas", flags.replicas, "Shares of each render node (4), for every resource")
      ->check(CLI::Range(1U, kMaxReplicas))
      ->envname("RENDERCAR_NODE_REPLICAS")
      ->option_text("COUNT");
  app.add_option("--resource", flags.resource,
                 "Name of the first resource that pods ask for (rendercar.dev/render)")
      ->envname("RENDERCAR_NODE_RESOURCE")
      ->option_text("DOMAIN/NAME");
  app.add_flag("--check-config", flags.check_config, "Check the configuration and exit");
  app.add_flag("--print-config", flags.print_config,
               "Print the configuration with flags and defaults applied, and exit");
  app.add_flag("--one-shot", flags.one_shot, "Print the inventory and exit");
  app.add_option("--output", flags.output, "How --one-shot prints: table, json (table)")
      ->check(CLI::IsMember({"table", "json"}))
      ->option_text("FORMAT");
}

// "none" says that a place is not there; an empty word would take the next flag for its value.
void ClearNone(Places& places) {
  for (std::string* place : {&places.plugins_registry, &places.pod_resources_socket,
                             &places.capset_probe, &places.proc}) {
    if (*place == "none") place->clear();
  }
}

void Override(const Flags& flags, Config& config) {
  if (flags.software) config.software = *flags.software;
  if (config.resources.empty()) return;
  if (flags.resource) config.resources.front().name = *flags.resource;
  if (!flags.replicas) return;
  for (ResourceConfig& resource : config.resources) resource.sizes.replicas = *flags.replicas;
}

int PrintInventory(const Flags& flags, const Config& config) {
  auto nodes = ScanRenderNodes(flags.places.roots);
  if (!nodes.ok()) return Fail(kProgram, nodes.status());
  auto all = ApplyConfig(*std::move(nodes), config);
  HealthMonitor(flags.places.roots).Check(all);
  const std::string text =
      flags.output == "json" ? InventoryJson(all, config) : InventoryTable(all, config);
  std::fputs(text.c_str(), stdout);
  return 0;
}

// The serving agent and all that it needs, on one loop.
class Daemon {
 public:
  Daemon(const Flags& flags, ConfigSource& source, const Config& config)
      : flags_(flags),
        source_(source),
        hangup_(loop_, [this] { source_.Reload(); }),
        signals_(loop_, [this](int signal) { Stop(signal); }),
        agent_(loop_, flags.places, config, metrics_),
        sensors_(std::make_shared<NodeCollector>(agent_.nodes())),
        sessions_(std::make_shared<SessionCollector>(flags.places.session_root, agent_.users(),
                                                     flags.places.proc)),
        api_(loop_, agent_, flags.places.session_root, flags.metrics_address),
        api_server_(loop_, api_, flags.api) {
    configuration_.Set(PrintConfig(config));
  }
  ~Daemon() {
    if (api_stopper_.joinable()) api_stopper_.join();
  }

  absl::Status Run() {
    RC_RETURN_IF_ERROR(ServeMetrics());
    RC_RETURN_IF_ERROR(ServeNodeHook());
    api_server_.SetDiagnostics({[this] { return *configuration_.Get(); }, collectables_});
    RC_RETURN_IF_ERROR(api_server_.Start());
    absl::Status started = agent_.Start();
    if (started.ok()) {
      source_.Watch(loop_, [this](const absl::StatusOr<Config>& config) { Reconfigure(config); });
    } else {
      agent_.Stop([this] { loop_.Quit(); });
    }
    loop_.Run();
    api_server_.Reset();
    server_.reset();
    if (node_hook_server_) node_hook_server_->Shutdown(kHookGrace);
    return started;
  }

 private:
  absl::Status ServeMetrics() {
    if (flags_.metrics_address == "none") return absl::OkStatus();
    RC_ASSIGN_OR_RETURN(server_,
                        MetricsServer::Start(loop_, flags_.metrics_address, collectables_));
    log::Info("serving metrics", {{"address", flags_.metrics_address}, {"port", server_->port()}});
    return absl::OkStatus();
  }
  absl::Status ServeNodeHook() {
    if (flags_.kubevirt_node_hook.empty()) return absl::OkStatus();
    node_hook_server_ = std::make_unique<UnixGrpcServer>(
        loop_, std::vector<grpc::Service*>{&node_hook_}, UnixGrpcServer::Options{});
    RC_RETURN_IF_ERROR(node_hook_server_->Listen(flags_.kubevirt_node_hook));
    log::Info("serving KubeVirt's node hooks", {{"socket", flags_.kubevirt_node_hook}});
    return absl::OkStatus();
  }
  void Stop(int signal) {
    if (std::exchange(stopping_, true)) return;
    log::Info("stopping", {{"signal", signal}});
    if (node_hook_server_) node_hook_server_->StopListening();
    agent_.Stop([this] { EndApi(); });
  }
  // Handlers wait for the loop, so they end while it still runs.
  void EndApi() {
    api_stopper_ = std::thread([this] {
      api_server_.Shutdown(std::chrono::seconds(1));
      loop_.Quit();
    });
  }
  void Reconfigure(const absl::StatusOr<Config>& config) {
    if (stopping_) return;
    const absl::Status taken = config.ok() ? agent_.Reconfigure(*config) : config.status();
    if (taken.ok()) configuration_.Set(PrintConfig(*config));
    metrics_.ConfigRead(taken);
  }

  const Flags& flags_;
  ConfigSource& source_;
  EpollLoop loop_;
  HangupSignal hangup_;
  ShutdownSignals signals_;
  NodeMetrics metrics_;
  Agent agent_;
  std::shared_ptr<NodeCollector> sensors_;
  std::shared_ptr<SessionCollector> sessions_;
  std::unique_ptr<MetricsServer> server_;
  NodeHookService node_hook_;
  std::unique_ptr<UnixGrpcServer> node_hook_server_;
  NodeApi api_;
  ApiServer api_server_;
  std::shared_ptr<SessionStateCollector> states_ = std::make_shared<SessionStateCollector>([this] {
    return api_.List(std::chrono::system_clock::now() + kScrapePatience).value_or(NoSessions());
  });
  const std::vector<std::shared_ptr<prometheus::Collectable>> collectables_{
      metrics_.registry(), sensors_, sessions_, states_};
  Latest<std::string> configuration_;
  std::thread api_stopper_;
  bool stopping_ = false;
};

int Main(int argc, char** argv) {
  CLI::App app{
      "Offers this machine's render nodes to the kubelet as shares that pods can ask for."};
  ProgramFlags program(app, kProgram);
  Flags flags;
  AddPlaceFlags(app, flags);
  AddConfigFlags(app, flags);
  AddApiFlags(app, flags.api);
  if (const auto exit = program.Parse(argc, argv)) return static_cast<int>(*exit);
  ClearNone(flags.places);
  ConfigSource source(flags.config_path, [&flags](Config& config) { Override(flags, config); });
  const auto config = source.Load();
  if (!config.ok()) return Fail(kProgram, config.status());
  if (flags.print_config) std::fputs(PrintConfig(*config).c_str(), stdout);
  if (flags.check_config || flags.print_config) return 0;
  if (flags.one_shot) return PrintInventory(flags, *config);
  log::KeepRecent(kKeptLogLines);
  Daemon daemon(flags, source, *config);
  const absl::Status served = daemon.Run();
  return served.ok() ? 0 : Fail(kProgram, served);
}

}  // namespace
}  // namespace rendercar::node

int main(int argc, char** argv) { return rendercar::node::Main(argc, argv); }
