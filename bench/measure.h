// Runs one row on several backends in turn, slice by slice, so that what disturbs the machine
// disturbs them all.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/workload.h"

namespace rendercar::bench {

// A backend that takes part.
struct Contender {
  std::string name;                                    // "rendercar", "qemu"
  std::optional<frontend::BackendProgram> program_2d;  // none: takes part in 3D rows only
  frontend::BackendProgram program_virgl;
};

struct MeasureOptions {
  uint32_t rounds = 12;
  std::chrono::milliseconds slice{150};
};

// What one backend did in one row.
struct Figures {
  std::string contender;
  std::string failure;  // a sentence instead of figures
  uint64_t operations = 0;
  double seconds = 0;
  double rate = 0;          // operations a second: of the median operation where they come one at a
                            // time, else the best round (others use the machine too)
  double p50 = 0, p99 = 0;  // seconds
  double cpu_seconds = 0;   // of all processes of the backend
  uint64_t notifications = 0, kicks = 0;
  uint64_t display_messages = 0, display_pixels = 0;
};

std::vector<Figures> MeasureRow(const Row& row, const std::vector<Contender>& contenders,
                                const MeasureOptions& options);

}  // namespace rendercar::bench
