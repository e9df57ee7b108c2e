// rendercar-node: flags and wiring of the node agent.
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cstdio>
#include <map>
#include <memory>

#include "common/epoll_loop.h"
#include "common/program.h"
#include "node/agent.h"
#include "node/metrics_server.h"
#include "node/node_metrics.h"
#include "node/one_shot.h"

namespace {

using rendercar::Fail;
using namespace rendercar::node;

constexpr char kProgram[] = "rendercar-node";

struct Flags {
  Places places;
  Config config;
  std::string metrics_address = "127.0.0.1:9464";
  bool one_shot = false;
  std::string output = "table";
};

void AddPlaceFlags(CLI::App& app, Flags& flags) {
  app.add_option("--kubelet-dir", flags.places.kubelet_dir, "The kubelet's device-plugin directory")
      ->capture_default_str()
      ->option_text("DIR");
  app.add_option("--session-root", flags.places.session_root,
                 "Host directory below which each allocation gets a directory of its own")
      ->capture_default_str()
      ->option_text("DIR");
  app.add_option("--sysfs-root", flags.places.roots.sysfs, "Where sysfs is mounted")
      ->capture_default_str()
      ->option_text("DIR");
  app.add_option("--dev-root", flags.places.roots.dev, "Where the host's device files are")
      ->capture_default_str()
      ->option_text("DIR");
  app.add_option("--metrics-address", flags.metrics_address,
                 "HOST:PORT for /metrics and /healthz; port 0 chooses one; none: no metrics")
      ->capture_default_str()
      ->option_text("ADDRESS");
}

void AddShareFlags(CLI::App& app, Flags& flags) {
  const std::map<std::string, SoftwareMode> modes{{"auto", SoftwareMode::kAuto},
                                                  {"always", SoftwareMode::kAlways},
                                                  {"never", SoftwareMode::kNever}};
  ResourceConfig& resource = flags.config.resources.front();
  app.add_option("--software", flags.config.software,
                 "Offer the software render node: auto (where there is no other), always, never")
      ->transform(CLI::CheckedTransformer(modes, CLI::ignore_case))
      ->option_text("MODE");
  app.add_option("--replicas", resource.sizes.replicas, "Shares of each render node")
      ->check(CLI::Range(1U, kMaxReplicas))
      ->capture_default_str()
      ->option_text("COUNT");
  app.add_option("--resource", resource.name, "Name of the resource that pods ask for")
      ->capture_default_str()
      ->option_text("DOMAIN/NAME");
  app.add_flag("--one-shot", flags.one_shot, "Print the inventory and exit");
  app.add_option("--output", flags.output, "How --one-shot prints: table, json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str()
      ->option_text("FORMAT");
}

int PrintInventory(const Flags& flags) {
  auto nodes = ScanRenderNodes(flags.places.roots);
  if (!nodes.ok()) return Fail(kProgram, nodes.status());
  const auto all = WithSoftware(*std::move(nodes), flags.config.software);
  const std::string text =
      flags.output == "json" ? InventoryJson(all, flags.config) : InventoryTable(all, flags.config);
  std::fputs(text.c_str(), stdout);
  return 0;
}

int Serve(const Flags& flags) {
  rendercar::EpollLoop loop;
  std::unique_ptr<Agent> agent;
  bool stopping = false;
  const rendercar::ShutdownSignals signals(loop, [&](int signal) {
    if (std::exchange(stopping, true)) return;
    rendercar::log::Info("stopping", {{"signal", signal}});
    agent->Stop([&loop] { loop.Quit(); });
  });
  NodeMetrics metrics;
  std::unique_ptr<MetricsServer> server;
  if (flags.metrics_address != "none") {
    auto started = MetricsServer::Start(loop, flags.metrics_address, metrics.registry());
    if (!started.ok()) return Fail(kProgram, started.status());
    server = *std::move(started);
    rendercar::log::Info("serving metrics",
                         {{"address", flags.metrics_address}, {"port", server->port()}});
  }
  agent = std::make_unique<Agent>(loop, flags.places, flags.config, metrics);
  const absl::Status started = agent->Start();
  if (!started.ok()) agent->Stop([&loop] { loop.Quit(); });
  loop.Run();
  server.reset();
  agent.reset();
  return started.ok() ? 0 : Fail(kProgram, started);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Offers this machine's render nodes to the kubelet as shares that pods can ask for."};
  rendercar::ProgramFlags program(app, kProgram);
  Flags flags;
  AddPlaceFlags(app, flags);
  AddShareFlags(app, flags);
  if (const auto exit = program.Parse(argc, argv)) return static_cast<int>(*exit);
  return flags.one_shot ? PrintInventory(flags) : Serve(flags);
}
