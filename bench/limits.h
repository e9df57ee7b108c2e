// What the machine itself allows, measured in the same run: no backend can be faster than these.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace rendercar::bench {

struct Limit {
  std::string name;
  double value = 0;
  std::string unit;
};

std::vector<Limit> MeasureLimits(std::chrono::milliseconds slice);

}  // namespace rendercar::bench
