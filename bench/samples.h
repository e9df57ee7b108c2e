// Durations of single operations, and what is said of them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <vector>

namespace rendercar::bench {

using Clock = std::chrono::steady_clock;

inline double Seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

class Samples {
 public:
  void Add(Clock::duration duration) { seconds_.push_back(Seconds(duration)); }
  void Append(const Samples& other) {
    seconds_.insert(seconds_.end(), other.seconds_.begin(), other.seconds_.end());
  }
  double Sum() const { return std::accumulate(seconds_.begin(), seconds_.end(), 0.0); }
  size_t size() const { return seconds_.size(); }
  // In seconds; `fraction` 0.5 is the median. 0 without samples.
  double Percentile(double fraction) const {
    if (seconds_.empty()) return 0;
    std::vector<double> sorted = seconds_;
    const auto rank = static_cast<size_t>(fraction * static_cast<double>(sorted.size() - 1));
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<ptrdiff_t>(rank), sorted.end());
    return sorted[rank];
  }

 private:
  std::vector<double> seconds_;
};

}  // namespace rendercar::bench
