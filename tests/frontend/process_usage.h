// What a process and its descendants use, read from /proc: CPU time, memory, descriptors, mappings,
// wake-ups.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace rendercar::frontend {

struct ProcessUsage {
  double cpu_seconds = 0;    // run time of all threads that live now
  uint64_t rss_bytes = 0;    // private and file pages
  uint64_t shmem_bytes = 0;  // shared pages mapped (guest RAM, memfds)
  uint64_t descriptors = 0;
  uint64_t mappings = 0;
  uint64_t wakeups = 0;  // voluntary context switches of all threads
};

// `pid` and its descendants, `pid` first.
std::vector<pid_t> ProcessTree(pid_t pid);
// The renderer below backend `pid`; 0 while there is none.
pid_t RendererBelow(pid_t pid);
// The usage of one process; zeros when it is gone.
ProcessUsage UsageOf(pid_t pid);
// Resident bytes of `pid`, shared libraries included, but for mappings whose name has `except` in
// it (the guest's RAM, which is the guest's).
uint64_t ResidentBytesExcept(pid_t pid, const std::string& except);
// The sum over ProcessTree(pid).
ProcessUsage UsageOfTree(pid_t pid);

}  // namespace rendercar::frontend
