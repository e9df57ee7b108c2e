// Keeps a window of operations in flight on one queue until a moment comes.
// SPDX-License-Identifier: Apache-2.0
#include "bench/pump.h"

#include <fmt/format.h>

namespace rendercar::bench {
namespace {

class Pumping {
 public:
  Pumping(frontend::GpuDriver& driver, const PumpOptions& options, Samples* samples,
          const PostOperation& post)
      : driver_(driver),
        options_(options),
        samples_(samples),
        post_(post),
        starts_(driver.capacity()),
        is_last_(driver.capacity(), false) {}

  absl::Status Fill() {
    while (operations_in_flight_ < options_.window) {
      options_.before();
      const Clock::time_point now = Clock::now();
      const std::optional<uint32_t> slot = post_(driver_, posted_);
      if (!slot) return absl::ResourceExhaustedError("the window is larger than the ring");
      starts_[*slot] = now;
      is_last_[*slot] = true;
      ++posted_;
      ++operations_in_flight_;
    }
    driver_.Publish();
    return absl::OkStatus();
  }

  // Waits for one answer, then takes what else is there.
  absl::Status Collect() {
    std::optional<uint32_t> slot = driver_.WaitSlot();
    if (!slot) return absl::DeadlineExceededError("the device did not answer");
    while (slot) {
      RC_RETURN_IF_ERROR(Finish(*slot));
      slot = driver_.PollSlot();
    }
    return absl::OkStatus();
  }

  bool idle() const { return driver_.in_flight() == 0; }
  uint64_t done() const { return done_; }

 private:
  absl::Status Finish(uint32_t slot) {
    const uint32_t type = driver_.ResponseHeader(slot).type;
    if (options_.check_types && (type & 0xff00) != 0x1100) {
      return absl::InternalError(fmt::format("the device answered {:#x}", type));
    }
    if (!is_last_[slot]) return absl::OkStatus();
    is_last_[slot] = false;
    if (samples_ != nullptr) samples_->Add(Clock::now() - starts_[slot]);
    --operations_in_flight_;
    ++done_;
    return absl::OkStatus();
  }

  frontend::GpuDriver& driver_;
  const PumpOptions& options_;
  Samples* samples_;
  const PostOperation& post_;
  std::vector<Clock::time_point> starts_;
  std::vector<bool> is_last_;
  uint32_t operations_in_flight_ = 0;
  uint64_t posted_ = 0, done_ = 0;
};

}  // namespace

absl::StatusOr<uint64_t> Pump(frontend::GpuDriver& driver, const PumpOptions& options,
                              Clock::time_point deadline, Samples* samples,
                              const PostOperation& post) {
  Pumping pumping(driver, options, samples, post);
  while (Clock::now() < deadline) {
    RC_RETURN_IF_ERROR(pumping.Fill());
    RC_RETURN_IF_ERROR(pumping.Collect());
  }
  while (!pumping.idle()) RC_RETURN_IF_ERROR(pumping.Collect());
  return pumping.done();
}

}  // namespace rendercar::bench
