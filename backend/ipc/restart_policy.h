// When a renderer that died may be started again.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

#include "backend/gpu/renderer.h"
#include "common/status.h"

namespace rendercar::ipc {

class RestartPolicy {
 public:
  using Clock = std::chrono::steady_clock;
  struct Options {
    std::chrono::milliseconds first_wait{100};  // after the second death in a row; then it doubles
    std::chrono::milliseconds longest_wait{5000};
    std::chrono::milliseconds healthy_after{10'000};  // a life this long ends the row
    uint32_t max_blamed = 3;  // deaths that a guest's command caused, within `blame_window`
    std::chrono::milliseconds blame_window{60'000};
  };

  explicit RestartPolicy(const Options& options) : options_(options) {}

  // OK, or Unavailable with when and why.
  absl::Status MayStart(Clock::time_point now) const;
  void OnStart(Clock::time_point now) { started_ = now; }
  // `blamed`: it died executing a guest's command, or hung there.
  void OnDeath(Clock::time_point now, bool blamed);
  // The next start is on another render node: nothing is waited for.
  void OnNewNode();
  // For good: no renderer any more.
  void TurnOff(std::string why);
  // Another guest starts: it is not held to account for the deaths before it, unless they were just
  // now (a guest that boots again and again kills no more renderers than one that does not).
  void OnReset(Clock::time_point now);
  bool off() const { return !off_reason_.empty(); }

  // For a successor process; `history.failovers` is left alone.
  void Save(Clock::time_point now, gpu::RendererHistory& history) const;
  void Restore(Clock::time_point now, const gpu::RendererHistory& history);

 private:
  Options options_;
  Clock::time_point started_{};
  Clock::time_point not_before_{};
  uint32_t in_a_row_ = 0;
  void ForgetOldBlame(Clock::time_point now);

  std::deque<Clock::time_point> blamed_;
  bool off_for_deaths_ = false;
  std::string off_reason_;
};

}  // namespace rendercar::ipc
