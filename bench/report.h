// The results of a run as a table for people and as JSON for machines.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bench/limits.h"
#include "bench/measure.h"

namespace rendercar::bench {

struct RowResult {
  Row row;
  std::vector<Figures> figures;
};

// A single number of each contender (start time, memory, wake-ups).
struct FootprintResult {
  std::string name, goal, unit;
  std::vector<std::pair<std::string, double>> values;  // contender, value
};

struct Report {
  std::vector<std::string> notes;  // under what conditions
  std::vector<Limit> limits;
  std::vector<RowResult> rows;
  std::vector<FootprintResult> footprints;
};

std::string ToMarkdown(const Report& report);
std::string ToJson(const Report& report);

}  // namespace rendercar::bench
