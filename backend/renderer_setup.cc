// Which renderer a session has.
// SPDX-License-Identifier: Apache-2.0
#include "backend/renderer_setup.h"

#include <algorithm>

#include "backend/capabilities.h"
#include "backend/gpu/null_renderer.h"
#include "backend/ipc/capabilities_json.h"
#include "backend/ipc/capset_intersection.h"
#include "backend/ipc/probe.h"
#include "backend/sandbox/device_sandbox.h"
#include "common/children/spawner.h"
#include "common/log.h"
#include "common/share_env.h"

namespace rendercar::backend {
namespace {

absl::StatusOr<std::string> Program(const Options& options) {
  const std::string program =
      options.renderer_program.empty() ? FindRenderer() : options.renderer_program;
  if (!program.empty()) return program;
  return absl::NotFoundError(
      "rendercar-renderer is not installed beside rendercar-backend; install it, name it with "
      "--renderer-program, or leave --virgl out");
}

std::string CacheDir(const Options& options) {
  if (options.probe_cache == "none") return {};
  return options.probe_cache.empty() ? ipc::DefaultProbeCache() : options.probe_cache;
}

}  // namespace

absl::StatusOr<RendererSetup> RendererSetup::Find(const Options& options, StatsWriter& stats) {
  RendererSetup setup;
  if (!options.virgl || options.renderer == RendererKind::kNull) return setup;
  ipc::ProbeOptions probe;
  RC_ASSIGN_OR_RETURN(probe.renderer.program, Program(options));
  probe.renderer.render_node = options.render_node;
  probe.renderer.data_limit_mib = options.renderer_memory >> 20;
  probe.renderer.spin_us = options.renderer_spin_us;
  probe.renderer.export_scanouts = options.dmabuf_scanouts;
  probe.cache_dir = CacheDir(options);
  auto capabilities = ipc::ProbeRenderer(probe);
  if (!capabilities.ok()) return Annotate(capabilities.status(), "no 3D for this session");
  setup.capabilities_ = *std::move(capabilities);
  log::Info("3D offered", {{"gl_renderer", setup.capabilities_.gl_renderer},
                           {"capsets", setup.capabilities_.capsets.size()}});
  probe.renderer.capset_digest = ipc::CapsetDigest(setup.capabilities_);
  setup.process_.link.argv = probe.renderer.ServeArgv();
  setup.FindFailover(options, probe);
  // A ring holds the largest submit and others beside it.
  while (setup.process_.link.command_ring_bytes < size_t{4} * options.limits.submit_bytes)
    setup.process_.link.command_ring_bytes *= 2;
  setup.process_.watchdog = std::chrono::milliseconds(options.watchdog_ms);
  setup.process_.restart.max_blamed = options.max_renderer_deaths;
  setup.process_.restart.longest_wait = std::chrono::milliseconds(options.max_restart_wait_ms);
  RC_ASSIGN_OR_RETURN(setup.process_.link.processes, StartSpawner(probe.renderer.program, [] {
                        return sandbox::ConfineDevice(sandbox::DeviceRole::kStartsRenderers);
                      }));
  setup.process_.stats = &stats;
  return setup;
}

// A node that does not work now, or with which nothing would be left to offer, is no candidate.
void RendererSetup::FindFailover(const Options& options, ipc::ProbeOptions probe) {
  const auto refuse = [](const std::string& node, const std::string& why) {
    log::Warning("a render node cannot take over", {{"render_node", node}, {"why", why}});
  };
  for (const std::string& node : options.failover_nodes) {
    probe.renderer.render_node = node == share_env::kSoftwareNode ? "" : node;
    if (probe.renderer.render_node == options.render_node) continue;  // its own
    probe.renderer.capset_digest.clear();
    const auto capabilities = ipc::ProbeRenderer(probe);
    if (!capabilities.ok()) {
      refuse(node, std::string(capabilities.status().message()));
      continue;
    }
    gpu::RendererCapabilities both = ipc::Intersect(capabilities_, *capabilities);
    if (both.capsets.empty()) {
      refuse(node, "what it offers and what the session's own node offers exclude each other");
      continue;
    }
    probe.renderer.capset_digest = ipc::CapsetDigest(*capabilities);
    process_.failover.push_back(probe.renderer.ServeArgv());
    capabilities_ = std::move(both);
  }
}

std::unique_ptr<gpu::Renderer> RendererSetup::Make(EventLoop& loop) const {
  if (capabilities_.capsets.empty()) return std::make_unique<gpu::NullRenderer>();
  return std::make_unique<ipc::ProcessRenderer>(loop, process_);
}

}  // namespace rendercar::backend
