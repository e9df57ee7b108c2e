// rendercar-backend: the device process of one session. Flags, wiring, signals; nothing else.
// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include "backend/backend_options.h"
#include "backend/capabilities.h"
#include "backend/device_factory.h"
#include "backend/drm/render_node.h"
#include "backend/renderer_setup.h"
#include "backend/sandbox/device_sandbox.h"
#include "backend/server/predecessor.h"
#include "backend/server/server.h"
#include "backend/take_over.h"
#include "common/epoll_loop.h"
#include "common/log.h"
#include "common/program.h"
#include "common/unix_socket.h"

namespace rendercar::backend {
namespace {

constexpr char kProgram[] = "rendercar-backend";

// Where frontends come from: a listener, or one socket that is there already; and who else.
struct Endpoint {
  std::optional<UnixListener> listener;
  UniqueFd socket;
  std::optional<UnixListener> screenshots;
  std::optional<UnixListener> handovers;
};

// The successor has it all: what belongs to the VM must not even be closed in an orderly way.
[[noreturn]] void EndAfterHandover() {
  log::Info("handed over; a newer backend goes on");
  std::_Exit(static_cast<int>(ExitCode::kOk));
}

// For ourselves and root only; none where there is no path.
absl::StatusOr<std::optional<UnixListener>> OpenPort(const std::string& path) {
  std::optional<UnixListener> listener;
  if (path.empty()) return listener;
  RC_ASSIGN_OR_RETURN(listener, UnixListener::Listen(path, 0600));
  return listener;
}

absl::StatusOr<Endpoint> OpenEndpoint(const Options& options) {
  Endpoint endpoint;
  if (options.fd >= 0) {
    RC_ASSIGN_OR_RETURN(endpoint.socket, AdoptSocket(options.fd));
  } else {
    RC_ASSIGN_OR_RETURN(endpoint.listener, UnixListener::Listen(options.socket_path));
  }
  RC_ASSIGN_OR_RETURN(endpoint.screenshots, OpenPort(options.screenshot_socket));
  RC_ASSIGN_OR_RETURN(endpoint.handovers, OpenPort(options.handover_socket));
  return endpoint;
}

// The device process has no use for the node itself: this is to fail early and in words.
absl::Status CheckRenderNode(const std::string& path) {
  return path.empty() ? absl::OkStatus() : drm::OpenRenderNode(path).status();
}

absl::StatusOr<StatsWriter> OpenStats(const std::string& path) {
  if (path.empty()) return StatsWriter();
  return StatsWriter::Create(path);
}

// The kind of end that `why` is; the server has logged its words.
ExitCode CodeOf(const absl::Status& why) {
  if (why.ok()) return ExitCode::kOk;
  return absl::IsInternal(why) ? ExitCode::kInternal : ExitCode::kProtocol;
}

void Serve(Endpoint endpoint, server::Server& server) {
  if (endpoint.listener) server.Listen(*std::move(endpoint.listener));
  if (endpoint.socket.valid()) server.Serve(std::move(endpoint.socket));
  if (endpoint.screenshots) server.OfferScreenshots(*std::move(endpoint.screenshots));
  if (endpoint.handovers) server.OfferHandover(*std::move(endpoint.handovers), EndAfterHandover);
}

absl::StatusOr<ExitCode> Run(const Options& options) {
  EpollLoop loop;
  const ShutdownSignals signals(loop, [&loop](int) { loop.Quit(); });
  RC_RETURN_IF_ERROR(CheckRenderNode(options.render_node));
  const bool takes_over = !options.take_over.empty();
  RC_ASSIGN_OR_RETURN(StatsWriter stats, OpenStats(takes_over ? "" : options.stats_path));
  RC_ASSIGN_OR_RETURN(const RendererSetup renderer, RendererSetup::Find(options, stats));
  Endpoint endpoint;
  std::optional<server::Predecessor> predecessor;
  if (takes_over) {
    RC_ASSIGN_OR_RETURN(predecessor, server::Predecessor::Connect(options.take_over));
  } else {
    RC_ASSIGN_OR_RETURN(endpoint, OpenEndpoint(options));
  }
  // From here on a guest's bytes may come.
  RC_RETURN_IF_ERROR(sandbox::ConfineDevice(sandbox::DeviceRole::kDevice));
  ExitCode outcome = ExitCode::kOk;
  const auto factory = MakeDeviceFactory(options, renderer.capabilities(), stats,
                                         [&](EventLoop& work) { return renderer.Make(work); });
  server::Server server(loop, stats, factory, {options.persistent}, [&](const absl::Status& why) {
    outcome = CodeOf(why);
    loop.Quit();
  });
  if (!predecessor)
    log::Info("ready",
              {{"session", options.session},
               {"socket", options.fd >= 0 ? "given" : options.socket_path},
               {"render_node", options.render_node.empty() ? "none" : options.render_node}});
  if (predecessor)
    RC_RETURN_IF_ERROR(TakeOver(*predecessor, options, stats, server, EndAfterHandover));
  Serve(std::move(endpoint), server);
  loop.Run();
  return outcome;
}

int Main(int argc, char** argv) {
  if (WantsCapabilities(argc, argv)) {
    std::puts(CapabilitiesJson(FindRenderer()).c_str());
    return static_cast<int>(ExitCode::kOk);
  }
  const Parsed parsed = ParseOptions(argc, argv);
  if (parsed.exit.has_value()) return static_cast<int>(*parsed.exit);
  const auto code = Run(parsed.options);
  if (!code.ok()) ReportRefusal(parsed.options, code.status());
  return code.ok() ? static_cast<int>(*code) : Fail(kProgram, code.status());
}

}  // namespace
}  // namespace rendercar::backend

int main(int argc, char** argv) { return rendercar::backend::Main(argc, argv); }
