// How near the container is to its memory limit, and the renderers that one can end to stay below.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rendercar::sidecar {

// Memory that the kernel cannot take back (anon and shmem) beside the limit, cgroup v1 or v2.
struct MemoryUse {
  uint64_t used_bytes = 0;
  uint64_t limit_bytes = 0;
};

// nullopt without a limit. `root`: where cgroup file systems are mounted; `self`: the process's own
// list of cgroups.
std::optional<MemoryUse> ReadMemoryUse(const std::string& root = "/sys/fs/cgroup",
                                       const std::string& self = "/proc/self/cgroup");

struct RendererProcess {
  pid_t pid = 0;
  uint64_t memory_bytes = 0;  // anon and shmem that it has mapped
};

// The renderers below process `backend`, as /proc shows them.
std::vector<RendererProcess> FindRenderers(pid_t backend, const std::string& proc = "/proc");

// SIGKILL, unless the process has become another one meanwhile. Whether it was sent.
bool KillRenderer(pid_t pid);

}  // namespace rendercar::sidecar
