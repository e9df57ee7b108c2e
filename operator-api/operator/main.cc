// rendercar-operator: flags and wiring.
// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>

#include "common/epoll_loop.h"
#include "common/program.h"
#include "node/metrics_server.h"
#include "operator-api/operator/operator.h"

namespace rendercar::rc_operator {
namespace {

constexpr char kProgram[] = "rendercar-operator";
constexpr char kNamespaceFile[] = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
constexpr char kFooter[] =
    "Runs on each node beside rendercar-node, in the same pod. Without flags for the API server "
    "it\n"
    "uses the pod's service account.\n"
    "\n"
    "Examples:\n"
    "  rendercar-operator --node-name=worker-1 --base-config=/etc/rendercar/node.yaml \\\n"
    "    --config=/run/rendercar/config/node.yaml\n"
    "  rendercar-operator --node-name=worker-1 --api-server=https://10.0.0.1:6443 \\\n"
    "    --token-file=token --ca-file=ca.crt --lease-namespace=rendercar-system\n"
    "\n"
    "Exit codes: 0 ended by a signal, or --one-shot done; 64 wrong flag or value; 69 no API "
    "server\n"
    "is named, or metrics cannot be served; 73 the configuration cannot be written.";

struct Flags {
  Options options;
  std::string metrics_address = "127.0.0.1:9466";
  bool one_shot = false;
  uint32_t session_interval_s = 5;
  uint32_t usage_interval_s = 60;
  uint32_t pool_status_interval_s = 30;
  uint32_t lease_duration_s = 60;
};

std::string HostName() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

void AddServerFlags(CLI::App& app, kube::Server& server) {
  app.add_option("--api-server", server.url,
                 "URL of the API server, https://HOST:PORT (the one of the pod's cluster)")
      ->check(CLI::Validator(
          [](const std::string& url) {
            const bool right = url.rfind("https://", 0) == 0 || url.rfind("http://", 0) == 0;
            return right && url.back() != '/' ? ""
                                              : "must be http(s)://HOST:PORT, found '" + url + "'";
          },
          "URL"))
      ->option_text("URL");
  app.add_option("--token-file", server.token_file,
                 "File with a bearer token; read again for each request")
      ->option_text("FILE");
  app.add_option("--ca-file", server.ca_file,
                 "Who signs the API server's certificate (PEM); read again for each connection")
      ->option_text("FILE");
}

void AddNodeFlags(CLI::App& app, Options& options) {
  app.add_option("--node-name", options.node, "The Kubernetes node that this is")
      ->envname("NODE_NAME")
      ->required()
      ->check(CLI::Validator(
          [](const std::string& name) {
            const bool right =
                !name.empty() && name.size() <= 253 &&
                name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") == name.npos;
            return right ? "" : "is no name of a node: '" + name + "'";
          },
          "NAME"))
      ->option_text("NAME");
  options.node_api_socket = "/run/rendercar/node.sock";
  app.add_option("--node-api-socket", options.node_api_socket,
                 "Where rendercar-node serves its API (/run/rendercar/node.sock)")
      ->option_text("SOCKET");
  auto* base =
      app.add_option("--base-config", options.base_config,
                     "Configuration of the node agent where no RenderPool selects the node")
          ->option_text("FILE");
  auto* config =
      app.add_option("--config", options.config,
                     "Where the agent's configuration is written: RenderPools over --base-config; "
                     "without it agents are not configured")
          ->option_text("FILE");
  base->needs(config);
  config->needs(base);
}

void AddLeaseFlags(CLI::App& app, Flags& flags) {
  kube::Elector::Options& lease = flags.options.lease;
  lease.name = "rendercar-operator";
  app.add_option("--lease-namespace", lease.ns,
                 "Namespace of the Lease by which one instance becomes the leader (the pod's)")
      ->option_text("NAMESPACE");
  app.add_option("--lease-name", lease.name, "Name of that Lease (rendercar-operator)")
      ->option_text("NAME");
  app.add_option("--identity", lease.identity, "Who this instance is there (the host's name)")
      ->option_text("NAME");
  app.add_option("--lease-duration", flags.lease_duration_s,
                 "Seconds after which a leader that does not renew is replaced (60)")
      ->check(CLI::Range(4, 3600))
      ->option_text("SECONDS");
}

void AddFlags(CLI::App& app, Flags& flags) {
  AddServerFlags(app, flags.options.server);
  AddNodeFlags(app, flags.options);
  AddLeaseFlags(app, flags);
  app.add_option("--session-interval", flags.session_interval_s,
                 "Seconds between looks at the node's sessions (5)")
      ->check(CLI::Range(1, 3600))
      ->option_text("SECONDS");
  app.add_option("--usage-interval", flags.usage_interval_s,
                 "Seconds between writes of what a session uses while nothing else changes (60)")
      ->check(CLI::Range(1, 86400))
      ->option_text("SECONDS");
  app.add_option("--pool-status-interval", flags.pool_status_interval_s,
                 "Seconds between writes of what RenderPools offer, by the leader (30)")
      ->check(CLI::Range(1, 86400))
      ->option_text("SECONDS");
  app.add_option("--metrics-address", flags.metrics_address,
                 "HOST:PORT for /metrics and /healthz (127.0.0.1:9466); port 0 chooses one; none: "
                 "no metrics")
      ->envname("RENDERCAR_OPERATOR_METRICS_ADDRESS")
      ->option_text("ADDRESS");
  app.add_flag("--one-shot", flags.one_shot,
               "Write the agent's configuration and exit: before the agent starts")
      ->needs("--config");
}

std::string PodNamespace() {
  std::ifstream file(kNamespaceFile);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// What flags leave open.
absl::Status Complete(Flags& flags) {
  Options& options = flags.options;
  if (options.server.url.empty()) {
    const kube::Server given = options.server;
    RC_ASSIGN_OR_RETURN(options.server, kube::ServerOfPod());
    if (!given.token_file.empty()) options.server.token_file = given.token_file;
    if (!given.ca_file.empty()) options.server.ca_file = given.ca_file;
  }
  if (options.lease.identity.empty()) options.lease.identity = HostName();
  if (options.lease.ns.empty()) options.lease.ns = PodNamespace();
  if (options.lease.ns.empty() && !flags.one_shot)
    return absl::InvalidArgumentError("not in a pod; name a namespace with --lease-namespace");
  options.lease.duration = std::chrono::seconds(flags.lease_duration_s);
  options.session_interval = std::chrono::seconds(flags.session_interval_s);
  options.usage_interval = std::chrono::seconds(flags.usage_interval_s);
  options.pool_status_interval = std::chrono::seconds(flags.pool_status_interval_s);
  return absl::OkStatus();
}

absl::Status Serve(const Flags& flags) {
  EpollLoop loop;
  ShutdownSignals signals(loop, [&loop](int signal) {
    log::Info("stopping", {{"signal", signal}});
    loop.Quit();
  });
  Report report;
  std::unique_ptr<node::MetricsServer> metrics;
  if (flags.metrics_address != "none") {
    RC_ASSIGN_OR_RETURN(
        metrics, node::MetricsServer::Start(loop, flags.metrics_address, {report.registry()}));
    log::Info("serving metrics", {{"address", flags.metrics_address}, {"port", metrics->port()}});
  }
  Operator op(flags.options, report);
  op.Start();
  log::Info("watching RenderPools",
            {{"server", flags.options.server.url}, {"node", flags.options.node}});
  loop.Run();
  op.Stop();
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  CLI::App app{
      "Makes RenderPools the configuration of this node's agent, and its sessions GpuSessions.",
      kProgram};
  app.footer(kFooter);
  ProgramFlags program(app, kProgram);
  Flags flags;
  AddFlags(app, flags);
  if (const auto exit = program.Parse(argc, argv)) return static_cast<int>(*exit);
  // Before any thread: libcurl's own rule.
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
    return Fail(kProgram, absl::InternalError("libcurl does not start"));
  absl::Status status = Complete(flags);
  if (status.ok()) status = flags.one_shot ? WriteConfigOnce(flags.options) : Serve(flags);
  return status.ok() ? 0 : Fail(kProgram, status);
}

}  // namespace
}  // namespace rendercar::rc_operator

int main(int argc, char** argv) { return rendercar::rc_operator::Main(argc, argv); }
