// What the crash rate has counted, remembered for the agent's next process: pages tell how many
// renderers died, not when.
// SPDX-License-Identifier: Apache-2.0
#include "node/crash_note.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

#include "node/atomic_file.h"

namespace rendercar::node {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kSession[] = "session";
constexpr char kDeath[] = "death";

// One line's words; names of shares, sessions and pods have no spaces.
void ReadLine(const std::string& line, CrashHistory& history) {
  std::istringstream words(line);
  std::string kind;
  std::string whose;
  std::string who;
  uint64_t first = 0;
  uint64_t second = 0;
  if (!(words >> kind >> whose >> who >> first >> second)) return;
  if (kind == kSession) history.known[{whose, who}] = {first, second};
  const Clock::time_point when{Clock::duration(static_cast<Clock::rep>(first))};
  if (kind == kDeath) history.deaths[whose].push_back({when, who, second});
}

}  // namespace

CrashHistory CrashNote::Read() const {
  CrashHistory history;
  if (path_.empty()) return history;
  std::ifstream file(path_);
  std::string line;
  if (!std::getline(file, line) || line != boot_) return history;
  while (std::getline(file, line)) ReadLine(line, history);
  return history;
}

absl::Status CrashNote::Write(const CrashHistory& history) const {
  if (path_.empty()) return absl::OkStatus();
  std::string text = boot_ + "\n";
  const auto out = std::back_inserter(text);
  for (const auto& [key, count] : history.known) {
    fmt::format_to(out, "{} {} {} {} {}\n", kSession, key.first, key.second, count.started_ns,
                   count.deaths);
  }
  for (const auto& [node, deaths] : history.deaths) {
    for (size_t i = deaths.size() - std::min(deaths.size(), kMaxDeaths); i < deaths.size(); ++i) {
      fmt::format_to(out, "{} {} {} {} {}\n", kDeath, node, deaths[i].pod,
                     deaths[i].when.time_since_epoch().count(), deaths[i].count);
    }
  }
  return WriteAtomically(path_, text);
}

}  // namespace rendercar::node
