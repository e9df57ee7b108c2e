// Runs a program and takes what it prints.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "common/subprocess.h"

namespace rendercar::sidecar {

struct ProgramOutput {
  ChildEnd end;
  std::string text;  // of standard output, 1 MiB at most
};

// DeadlineExceeded when it did not end in time (it is killed then).
absl::StatusOr<ProgramOutput> RunProgram(const std::vector<std::string>& argv,
                                         std::chrono::milliseconds timeout);

}  // namespace rendercar::sidecar
