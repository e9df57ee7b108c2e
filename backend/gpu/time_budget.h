// How much of the time a guest may keep the renderer busy: over it, its requests wait.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace rendercar::gpu {

// Counts ticks of a fixed length. Work thread only.
class TimeBudget {
 public:
  static constexpr std::chrono::milliseconds kTick{5};

  // `percent`: of the time, 1 to 100; 100 is no limit.
  explicit TimeBudget(uint32_t percent) : percent_(static_cast<int32_t>(percent)) {}

  bool limited() const { return percent_ < 100; }
  // One tick went by, at whose end the renderer was busy or not.
  void Tick(bool busy) {
    credit_ = std::clamp(credit_ + percent_ - (busy ? kBusyTick : 0), -kMaxDebt, Burst());
    if (credit_ <= 0) spent_ = true;
    if (credit_ >= Burst() / 2) spent_ = false;
  }
  // Nothing more may be started until half of a burst has come together again.
  bool spent() const { return spent_; }
  // No tick changes anything while the renderer is idle.
  bool full() const { return credit_ == Burst(); }

 private:
  static constexpr int32_t kBusyTick = 100;
  static constexpr int32_t kMaxDebt = 200 * kBusyTick;  // a second: one long command is forgiven
  // What may be used at once after rest: the share of 100 ms.
  int32_t Burst() const { return 20 * percent_; }

  const int32_t percent_;
  int32_t credit_ = Burst();
  bool spent_ = false;
};

}  // namespace rendercar::gpu
