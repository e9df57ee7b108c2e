// Keeps a window of operations in flight on one queue until a moment comes.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/virtio_gpu.h>

#include <functional>

#include "bench/samples.h"
#include "common/status.h"
#include "tests/frontend/gpu_driver.h"

namespace rendercar::bench {

struct PumpOptions {
  uint32_t window = 1;                   // operations in flight
  bool check_types = true;               // each answer must be OK; false where there are no answers
  std::function<void()> before = [] {};  // before each operation, outside its time: the guest draws
};

// Posts the commands of operation `number` and gives the slot of the last one.
using PostOperation =
    std::function<std::optional<uint32_t>(frontend::GpuDriver& driver, uint64_t number)>;

// Runs until `deadline`, then drains; gives the number of operations. `samples` (may be null) gets
// the time of each from its post to its end.
absl::StatusOr<uint64_t> Pump(frontend::GpuDriver& driver, const PumpOptions& options,
                              Clock::time_point deadline, Samples* samples,
                              const PostOperation& post);

}  // namespace rendercar::bench
