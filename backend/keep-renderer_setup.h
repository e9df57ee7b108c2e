// Which renderer a session has, decided from the flags before the frontend is told anything.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "backend/backend_options.h"
#include "backend/gpu/renderer.h"
#include "backend/ipc/probe.h"
#include "backend/ipc/process_renderer.h"
#include "common/event_loop.h"
#include "common/stats_page.h"

namespace rendercar::backend {

class RendererSetup {
 public:
  // Probes where 3D is asked for (--virgl), and forks the process that will start renderers: call
  // it while there is one thread. Unavailable, in words, when 3D cannot be had.
  static absl::StatusOr<RendererSetup> Find(const Options& options, StatsWriter& stats);

  // No capsets: no 3D is offered.
  const gpu::RendererCapabilities& capabilities() const { return capabilities_; }
  // A renderer on the work thread's loop; it starts no process before 3D is used.
  std::unique_ptr<gpu::Renderer> Make(EventLoop& loop) const;

 private:
  // Adds the nodes that may take over, and offers only what these can do too.
  void FindFailover(const Options& options, ipc::ProbeOptions probe);

  gpu::RendererCapabilities capabilities_;
  ipc::ProcessRenderer::Options process_;
};

}  // namespace rendercar::backend
