// What sessions use of a GPU: engine time and memory, as the kernel tells in fdinfo of their
// processes' DRM files.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "node/session_stats.h"

namespace rendercar::node {

struct GpuUse {
  std::map<std::string, uint64_t> engine_ns;     // by engine: "gfx", "render", "compute"
  std::map<std::string, uint64_t> memory_bytes;  // by region: "vram", "system", "local0"

  bool operator==(const GpuUse&) const = default;
};

// One DRM file; descriptors that share a client share its use.
struct GpuClient {
  std::string driver;
  std::string device;  // PCI address; empty where there is none
  uint64_t id = 0;
  GpuUse use;
};

// The text of /proc/PID/fdinfo/FD by the kernel's drm-usage-stats; nullopt for other files.
std::optional<GpuClient> ParseFdinfo(const std::string& text);

// By share and session.
using GpuUses = std::map<std::pair<std::string, std::string>, GpuUse>;

// Processes count to the session whose statistics page they, or their parent, have mapped; the
// kernel tells, so a pod can only miscount itself. Only programs called "rendercar-..." are looked
// at, and only where this process may: in the host's pid namespace, with CAP_SYS_PTRACE.
GpuUses GatherGpuUse(const std::string& proc, const std::vector<SessionStats>& sessions);

}  // namespace rendercar::node
