// rendercar-renderer: executes one guest's 3D commands, started by rendercar-backend and by nobody
// else; or tells what it could do (--probe).
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <optional>

#include "backend/ipc/capabilities_json.h"
#include "backend/ipc/exit_reason.h"
#include "backend/render/executor.h"
#include "backend/render/loaded_files.h"
#include "backend/render/render_server.h"
#include "backend/sandbox/renderer_sandbox.h"
#include "common/program.h"
#include "common/unique_fd.h"

namespace rendercar::render {
namespace {

constexpr const char* kProgram = "rendercar-renderer";

struct Flags {
  bool probe = false;
  bool serve = false;
  std::string render_node;
  std::string expect_capsets;
  uint64_t data_limit_mib = 0;
  uint32_t spin_us = 20;
  bool export_scanouts = false;
};

void AddFlags(CLI::App& app, Flags& flags) {
  auto* probe = app.add_flag("--probe", flags.probe, "Print what this machine can do as JSON");
  app.add_flag("--serve", flags.serve, "Serve rendercar-backend on inherited descriptors")
      ->excludes(probe);
  app.add_option("--render-node", flags.render_node,
                 "DRM render node; without it OpenGL runs in software");
  app.add_option("--expect-capsets", flags.expect_capsets,
                 "Digest of the capsets promised to the guest; others end the program");
  app.add_option("--data-limit-mib", flags.data_limit_mib, "Limit of private memory; 0: none");
  app.add_flag("--export-scanouts", flags.export_scanouts, "Be able to hand pictures out");
  app.add_option("--spin-us", flags.spin_us, "How long to look for a command before sleeping");
}

absl::Status CheckCapsets(const Flags& flags, const gpu::RendererCapabilities& capabilities) {
  const std::string digest = ipc::CapsetDigest(capabilities);
  if (flags.expect_capsets.empty() || flags.expect_capsets == digest) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the capsets are ", digest, ", the guest was promised ", flags.expect_capsets));
}

int Probe(const Flags& flags, const gpu::RendererCapabilities& capabilities) {
  const std::string answer = ipc::ToJson(capabilities, {Virgl::Version(), LoadedFiles()});
  // In the same sandbox as a session, so that what it forbids shows here.
  if (absl::Status confined = sandbox::ConfineAfterInit(!flags.render_node.empty(), nullptr);
      !confined.ok())
    return Fail(kProgram, confined);
  std::puts(answer.c_str());
  std::fflush(nullptr);
  ::_exit(0);
}

int Serve(const Flags& flags, RenderExecutor& executor, RenderServer::Channels channels) {
  // Where the device process looks for the forbidden call that ended us.
  std::atomic<uint32_t>* const cell = &channels.commands.indexes().forbidden_call;
  RenderServer::Options options;
  options.spin = std::chrono::microseconds(flags.spin_us);
  RenderServer server(std::move(channels), executor, options);
  const auto exports =
      flags.export_scanouts ? sandbox::Exports::kAllowed : sandbox::Exports::kForbidden;
  if (absl::Status confined = sandbox::ConfineAfterInit(!flags.render_node.empty(), cell, exports);
      !confined.ok())
    return Fail(kProgram, confined);
  const int code = static_cast<int>(server.Run());
  // Mesa's and virglrenderer's clean-up has nothing to give back that the system does not take.
  std::fflush(nullptr);
  ::_exit(code);
}

// Whether the device itself is gone, not only unable: then another node may serve the guest.
bool NodeIsGone(const std::string& path) {
  if (path.empty()) return false;
  const UniqueFd node(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  return !node.valid() && (errno == ENOENT || errno == ENODEV || errno == ENXIO);
}

int Run(const Flags& flags) {
  if (NodeIsGone(flags.render_node)) {
    Fail(kProgram,
         absl::NotFoundError(absl::StrCat("render node '", flags.render_node, "' is gone")));
    return ipc::kExitNodeGone;
  }
  std::optional<RenderServer::Channels> channels;
  if (flags.serve) {
    auto opened = RenderServer::OpenChannels();
    if (!opened.ok()) return Fail(kProgram, opened.status());
    channels = *std::move(opened);
  }
  const sandbox::RendererLimits limits{flags.data_limit_mib << 20};
  if (absl::Status confined = sandbox::ConfineBeforeInit(flags.render_node, limits); !confined.ok())
    return Fail(kProgram, confined);
  auto executor = RenderExecutor::Create({flags.render_node});
  if (!executor.ok()) return Fail(kProgram, absl::UnavailableError(executor.status().message()));
  const gpu::RendererCapabilities capabilities = (*executor)->virgl().Capabilities();
  if (flags.probe) return Probe(flags, capabilities);
  if (absl::Status same = CheckCapsets(flags, capabilities); !same.ok()) {
    Fail(kProgram, same);
    return static_cast<int>(ExitCode::kConfig);
  }
  return Serve(flags, **executor, *std::move(channels));
}

}  // namespace
}  // namespace rendercar::render

int main(int argc, char** argv) {
  using namespace rendercar;
  CLI::App app("Executes one guest's 3D commands for rendercar-backend");
  ProgramFlags program(app, render::kProgram);
  render::Flags flags;
  render::AddFlags(app, flags);
  if (const auto code = program.Parse(argc, argv)) return static_cast<int>(*code);
  if (!flags.probe && !flags.serve) {
    return Fail(render::kProgram,
                absl::InvalidArgumentError(
                    "rendercar-backend starts this program; by hand only --probe makes sense"));
  }
  return render::Run(flags);
}
