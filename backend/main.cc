// rendercar-backend: the device process of one session. Flags, wiring, signals; nothing else.
// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "backend/backend_options.h"
#include "backend/capabilities.h"
#include "backend/device_factory.h"
#include "backend/drm/render_node.h"
#include "backend/renderer_setup.h"
#include "backend/sandbox/device_sandbox.h"
#include "backend/server/server.h"
#include "common/epoll_loop.h"
#include "common/log.h"
#include "common/program.h"
#include "common/unix_socket.h"

namespace rendercar::backend {
namespace {

constexpr char kProgram[] = "rendercar-backend";

// Where frontends come from: a listener, or one socket that is there already.
struct Endpoint {
  std::optional<UnixListener> listener;
  UniqueFd socket;
};

absl::StatusOr<Endpoint> OpenEndpoint(const Options& options) {
  Endpoint endpoint;
  if (options.fd >= 0) {
    RC_ASSIGN_OR_RETURN(endpoint.socket, AdoptSocket(options.fd));
  } else {
    RC_ASSIGN_OR_RETURN(endpoint.listener, UnixListener::Listen(options.socket_path));
  }
  return endpoint;
}

absl::StatusOr<std::optional<UnixListener>> OpenScreenshots(const Options& options) {
  std::optional<UnixListener> listener;
  if (options.screenshot_socket.empty()) return listener;
  RC_ASSIGN_OR_RETURN(listener, UnixListener::Listen(options.screenshot_socket, 0600));
  return listener;
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

absl::StatusOr<ExitCode> Run(const Options& options) {
  EpollLoop loop;
  const ShutdownSignals signals(loop, [&loop](int) { loop.Quit(); });
  RC_RETURN_IF_ERROR(CheckRenderNode(options.render_node));
  RC_ASSIGN_OR_RETURN(StatsWriter stats, OpenStats(options.stats_path));
  RC_ASSIGN_OR_RETURN(const RendererSetup renderer, RendererSetup::Find(options, stats));
  RC_ASSIGN_OR_RETURN(Endpoint endpoint, OpenEndpoint(options));
  RC_ASSIGN_OR_RETURN(std::optional<UnixListener> screenshots, OpenScreenshots(options));
  // From here on a guest's bytes may come.
  RC_RETURN_IF_ERROR(sandbox::ConfineDevice(sandbox::DeviceRole::kDevice));
  ExitCode outcome = ExitCode::kOk;
  const auto factory = MakeDeviceFactory(options, renderer.capabilities(), stats,
                                         [&](EventLoop& work) { return renderer.Make(work); });
  server::Server server(loop, stats, factory, {options.persistent}, [&](const absl::Status& why) {
    outcome = CodeOf(why);
    loop.Quit();
  });
  log::Info("ready", {{"session", options.session},
                      {"socket", options.fd >= 0 ? "given" : options.socket_path},
                      {"render_node", options.render_node.empty() ? "none" : options.render_node}});
  if (endpoint.listener) {
    server.Listen(*std::move(endpoint.listener));
  } else {
    server.Serve(std::move(endpoint.socket));
  }
  if (screenshots) server.OfferScreenshots(*std::move(screenshots));
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
  return code.ok() ? static_cast<int>(*code) : Fail(kProgram, code.status());
}

}  // namespace
}  // namespace rendercar::backend

int main(int argc, char** argv) { return rendercar::backend::Main(argc, argv); }
