// What a backend costs besides its work: start, memory, wake-ups while idle.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "bench/samples.h"

namespace rendercar::bench {

// From exec to the reply to GET_FEATURES, in seconds.
absl::StatusOr<Samples> MeasureStart(const frontend::BackendProgram& program, uint32_t starts);

// Resident bytes of the process that holds the socket with one 1080p scanout shown, over the
// pixels of one such picture; the guest's RAM does not count.
absl::StatusOr<double> MeasureMemory(const frontend::BackendProgram& program);

// Wake-ups (voluntary context switches, all processes) of each of `sessions` idle backends with a
// shown 1080p scanout within `duration`: the most that one had, and the sum.
struct IdleWakeups {
  uint64_t most = 0;
  uint64_t sum = 0;
  double cpu_seconds = 0;
};
absl::StatusOr<IdleWakeups> MeasureIdle(const frontend::BackendProgram& program, uint32_t sessions,
                                        std::chrono::milliseconds duration);

}  // namespace rendercar::bench
