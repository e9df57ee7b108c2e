// The backend with its renderer in the same process: a yardstick for what the border between the
// two costs. Never for a VM, since a crash in Mesa would end its screen; hence not installed.
// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <utility>

#include "backend/backend_options.h"
#include "backend/device_factory.h"
#include "backend/render/in_process_renderer.h"
#include "backend/renderer_setup.h"
#include "backend/server/server.h"
#include "common/epoll_loop.h"
#include "common/program.h"

namespace rendercar::bench {
namespace {

absl::StatusOr<ExitCode> Run(const backend::Options& options) {
  EpollLoop loop;
  const ShutdownSignals signals(loop, [&loop](int) { loop.Quit(); });
  StatsWriter stats;
  // What the guest is promised comes from the same probe as a session's.
  RC_ASSIGN_OR_RETURN(const auto setup, backend::RendererSetup::Find(options, stats));
  RC_ASSIGN_OR_RETURN(UniqueFd socket, backend::AdoptSocket(options.fd));
  const auto factory =
      backend::MakeDeviceFactory(options, setup.capabilities(), stats, [&](EventLoop& work) {
        return std::make_unique<render::InProcessRenderer>(
            work, render::RenderExecutor::Options{options.render_node});
      });
  server::Server server(loop, stats, factory, {}, [&](const absl::Status&) { loop.Quit(); });
  server.Serve(std::move(socket));
  loop.Run();
  return ExitCode::kOk;
}

}  // namespace
}  // namespace rendercar::bench

int main(int argc, char** argv) {
  using namespace rendercar;
  const backend::Parsed parsed = backend::ParseOptions(argc, argv);
  if (parsed.exit.has_value()) return static_cast<int>(*parsed.exit);
  const auto code = bench::Run(parsed.options);
  return code.ok() ? static_cast<int>(*code) : Fail("in-process backend", code.status());
}
