// Whether sessions lose their renderers on a render node so often that it, and not one guest, must
// be the cause.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "node/crash_note.h"

namespace rendercar::node {

// So many deaths within the window, of so many pods at least. A pod counts for no more than its
// part (crashes / pods): its statistics are its own word, and one pod alone cannot close a node.
struct CrashLimit {
  uint32_t crashes = 6;  // 0: deaths say nothing about a node
  uint32_t pods = 2;
  std::chrono::seconds window{600};

  bool operator==(const CrashLimit&) const = default;
};

// What a session's page says at one moment.
struct SessionDeaths {
  std::string share;
  std::string session;
  std::string pod;          // who has the share; the share's id while that is not known
  uint64_t started_ns = 0;  // of the backend: another number is another count
  uint64_t deaths = 0;      // since then
};

// Loop only.
class CrashRate {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;
  // `note` remembers for the next process.
  explicit CrashRate(Clock clock = std::chrono::steady_clock::now, CrashNote note = CrashNote(""));

  void SetLimit(const CrashLimit& limit) { limit_ = limit; }
  // All sessions of the machine as they are now. What the first call tells of sessions that the
  // note does not know was before our time.
  void Observe(const std::vector<SessionDeaths>& sessions);
  // A sentence while the node is over the limit, else empty.
  std::string Problem(const std::string& node_id);

 private:
  uint64_t CountedOf(const SessionDeaths& session) const;
  void Forget(std::deque<CrashHistory::Death>& deaths) const;
  void Remember();

  const Clock clock_;
  const CrashNote note_;
  CrashLimit limit_;
  bool first_ = true;
  CrashHistory history_;
};

}  // namespace rendercar::node
