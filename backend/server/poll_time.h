// How long to look at the rings before sleeping.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>

namespace rendercar::server {

// Learns as a hypervisor's halt polling does: a request that came soon after the sleep began would
// have been found by looking longer, and one that came late makes looking a waste. A driver that
// waits for one answer before its next request pays a wake-up with each, which costs about as long
// as the longest look.
class PollTime {
 public:
  using Nanoseconds = std::chrono::nanoseconds;
  static constexpr Nanoseconds kFirst = std::chrono::microseconds(4);
  static constexpr Nanoseconds kLongest = std::chrono::microseconds(30);
  static constexpr Nanoseconds kWorthIt = std::chrono::microseconds(60);

  // A request ended a sleep of this length.
  void Learn(Nanoseconds slept) {
    time_ = slept < kWorthIt ? std::min(2 * time_ + kFirst, kLongest) : time_ / 4;
  }
  // Zero: not at all.
  Nanoseconds get() const { return time_; }

 private:
  Nanoseconds time_{0};
};

}  // namespace rendercar::server
