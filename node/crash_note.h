// What the crash rate has counted, remembered for the agent's next process: pages tell how many
// renderers died, not when.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>

#include "common/status.h"
#include "node/boot_id.h"

namespace rendercar::node {

// All that a crash rate is made of.
struct CrashHistory {
  struct Death {
    std::chrono::steady_clock::time_point when;
    std::string pod;
    uint64_t count = 0;
  };
  struct Count {
    uint64_t started_ns = 0;
    uint64_t deaths = 0;
    bool operator==(const Count&) const = default;
  };
  // By share and session, as last seen.
  using Counts = std::map<std::pair<std::string, std::string>, Count>;

  Counts known;
  std::map<std::string, std::deque<Death>> deaths;  // by node id, oldest first
};

// One file. What it says holds for this boot, whose steady clock all processes share.
class CrashNote {
 public:
  // Newest deaths of a node that are remembered, however many pods claim.
  static constexpr size_t kMaxDeaths = 1024;

  // Empty `path`: nothing is remembered.
  explicit CrashNote(std::string path, const std::string& boot_id = kBootIdFile)
      : path_(std::move(path)), boot_(ReadBootId(boot_id)) {}

  // Lines that are none of ours say nothing.
  CrashHistory Read() const;
  absl::Status Write(const CrashHistory& history) const;

 private:
  const std::string path_;
  const std::string boot_;
};

}  // namespace rendercar::node
