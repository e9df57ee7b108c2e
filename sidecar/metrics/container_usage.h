// CPU and memory of the cgroup that this process is in, cgroup v1 and v2.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rendercar::sidecar {

// Each is absent where the kernel does not tell it.
struct ContainerUsage {
  std::optional<double> cpu_seconds;
  std::optional<uint64_t> memory_bytes;
  std::optional<uint64_t> memory_limit_bytes;  // absent too when there is no limit
  struct Pressure {
    std::string resource;  // cpu, memory or io
    std::string tasks;     // some or full
    double seconds = 0;
  };
  std::vector<Pressure> pressure;  // version 2 with PSI only
};

// `root`: where cgroup file systems are mounted; `self`: the process's own list of cgroups.
ContainerUsage ReadContainerUsage(const std::string& root = "/sys/fs/cgroup",
                                  const std::string& self = "/proc/self/cgroup");

}  // namespace rendercar::sidecar
