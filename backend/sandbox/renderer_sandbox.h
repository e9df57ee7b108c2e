// What the renderer process is still allowed: first, before Mesa is loaded, only the files that
// Mesa needs; then, when OpenGL is up, only the system calls that drawing needs. Works as any user,
// without privileges.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "common/status.h"

namespace rendercar::sandbox {

struct RendererLimits {
  uint64_t data_bytes = 0;  // private memory; 0: no limit
};

// Resource limits, no core dumps, no new privileges, and Landlock where the kernel has it: system
// libraries and configuration to read, `render_node` to use. Before any thread starts.
absl::Status ConfineBeforeInit(const std::string& render_node, const RendererLimits& limits);

// Whether descriptors may be sent on sockets that are open already.
enum class Exports { kForbidden, kAllowed };

// Seccomp on all threads. No file can be opened any more, no socket, no program, no other process.
// Calls on the render node stay when there is one.
absl::Status ConfineAfterInit(bool has_render_node, std::atomic<uint32_t>* forbidden_call,
                              Exports exports = Exports::kForbidden);

// False in builds with sanitizers, where ConfineAfterInit does nothing but warn.
bool CallsCanBeConfined();

}  // namespace rendercar::sandbox
