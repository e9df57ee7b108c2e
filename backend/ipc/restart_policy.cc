// When a renderer that died may be started again.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/restart_policy.h"

#include <algorithm>

namespace rendercar::ipc {

absl::Status RestartPolicy::MayStart(Clock::time_point now) const {
  if (off()) return absl::UnavailableError(absl::StrCat("3D is turned off: ", off_reason_));
  if (now < not_before_) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(not_before_ - now).count();
    return absl::UnavailableError(absl::StrCat(
        "the renderer died ", in_a_row_, " times in a row; it may start again in ", left, " ms"));
  }
  return absl::OkStatus();
}

void RestartPolicy::OnDeath(Clock::time_point now, bool blamed) {
  in_a_row_ = now - started_ >= options_.healthy_after ? 1 : in_a_row_ + 1;
  not_before_ = now;
  if (in_a_row_ > 1) {
    // The exponent is bounded before the shift.
    const uint32_t doublings = std::min(in_a_row_ - 2, 16u);
    not_before_ += std::min(options_.first_wait * (1u << doublings), options_.longest_wait);
  }
  if (!blamed) return;
  blamed_.push_back(now);
  ForgetOldBlame(now);
  if (blamed_.size() >= options_.max_blamed && !off()) {
    off_for_deaths_ = true;
    off_reason_ = absl::StrCat("this guest's commands ended the renderer ", blamed_.size(),
                               " times within ", options_.blame_window.count() / 1000, " s");
  }
}

void RestartPolicy::ForgetOldBlame(Clock::time_point now) {
  while (!blamed_.empty() && now - blamed_.front() > options_.blame_window) blamed_.pop_front();
}

void RestartPolicy::OnReset(Clock::time_point now) {
  ForgetOldBlame(now);
  if (!off_for_deaths_ || blamed_.size() >= options_.max_blamed) return;
  off_for_deaths_ = false;
  off_reason_.clear();
}

void RestartPolicy::Save(Clock::time_point now, gpu::RendererHistory& history) const {
  using std::chrono::milliseconds;
  history.deaths_in_a_row = in_a_row_;
  history.off = off();
  history.off_for_deaths = off_for_deaths_;
  history.off_reason = off_reason_;
  for (const Clock::time_point death : blamed_)
    history.blamed_ms_ago.push_back(
        static_cast<uint64_t>(std::chrono::duration_cast<milliseconds>(now - death).count()));
}

void RestartPolicy::Restore(Clock::time_point now, const gpu::RendererHistory& history) {
  in_a_row_ = history.deaths_in_a_row;
  off_for_deaths_ = history.off_for_deaths;
  off_reason_ = history.off_reason;
  if (history.off && !off()) off_reason_ = "it was off before the backend was upgraded";
  blamed_.clear();
  for (const uint64_t ms_ago : history.blamed_ms_ago) {
    const auto ago =
        std::min<uint64_t>(ms_ago, static_cast<uint64_t>(options_.blame_window.count()));
    blamed_.push_back(now - std::chrono::milliseconds(ago));
  }
}

void RestartPolicy::OnNewNode() {
  in_a_row_ = 0;
  not_before_ = {};
}

void RestartPolicy::TurnOff(std::string why) {
  if (!off() || off_for_deaths_) off_reason_ = std::move(why);
  off_for_deaths_ = false;
}

}  // namespace rendercar::ipc
