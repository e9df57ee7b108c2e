// What the renderer can do, found out before a guest is told: by running rendercar-renderer once in
// the same image, with the same user and sandbox, and remembering its answer.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include "backend/gpu/renderer.h"
#include "backend/ipc/renderer_command.h"

namespace rendercar::ipc {

struct ProbeOptions {
  RendererCommand renderer;
  std::string cache_dir;  // empty: no cache; made when missing, left alone when not writable
  std::chrono::milliseconds timeout{20'000};
};

// Unavailable, in words, when no renderer comes up; DeadlineExceeded when it takes too long. A
// cached answer is taken only while every file that the probe had loaded (Mesa, virglrenderer,
// LLVM,
// ...) and the render node are still the same.
absl::StatusOr<gpu::RendererCapabilities> ProbeRenderer(const ProbeOptions& options);

// $XDG_CACHE_HOME/rendercar, ~/.cache/rendercar, or /var/cache/rendercar for root and those without
// a home.
std::string DefaultProbeCache();

}  // namespace rendercar::ipc
