// Runs one row on several backends in turn, slice by slice, so that what disturbs the machine
// disturbs them all.
// SPDX-License-Identifier: Apache-2.0
#include "bench/measure.h"

#include <algorithm>

namespace rendercar::bench {
namespace {

// One backend with its workload prepared, and what it has done so far.
class Lane {
 public:
  Lane(const Row& row, const Contender& contender)
      : row_(row), contender_(contender), workload_(row.make()) {}

  void Prepare() { Note(TryPrepare()); }

  void RunSlice(std::chrono::milliseconds slice) {
    if (!failure_.empty()) return;
    const frontend::ProcessUsage before = vm_->backend().tree_usage();
    const frontend::DisplayState shown_before = vm_->display().state();
    const uint64_t notified_before = Notifications(), kicks_before = Kicks();
    Samples samples;
    const Clock::time_point start = Clock::now();
    const absl::StatusOr<uint64_t> done = workload_->Run(*vm_, start + slice, &samples);
    const double elapsed = row_.one_at_a_time ? samples.Sum() : Seconds(Clock::now() - start);
    if (!done.ok()) return Note(done.status());
    figures_.cpu_seconds += vm_->backend().tree_usage().cpu_seconds - before.cpu_seconds;
    figures_.notifications += Notifications() - notified_before;
    figures_.kicks += Kicks() - kicks_before;
    AddDisplay(shown_before, vm_->display().state());
    figures_.operations += *done;
    figures_.seconds += elapsed;
    rates_.push_back(static_cast<double>(*done) / elapsed);
    samples_.Append(samples);
  }

  Figures Result() {
    figures_.contender = contender_.name;
    figures_.failure = failure_;
    figures_.p50 = samples_.Percentile(0.5);
    figures_.rate = Rate();
    figures_.p99 = samples_.Percentile(0.99);
    return figures_;
  }

 private:
  absl::Status TryPrepare() {
    frontend::VmOptions options;
    options.program = row_.virgl ? contender_.program_virgl : *contender_.program_2d;
    options.frontend.virgl = row_.virgl;
    RC_ASSIGN_OR_RETURN(vm_, frontend::TestVm::Boot(options));
    RC_RETURN_IF_ERROR(workload_->Prepare(*vm_));
    Samples warm_up;
    return workload_->Run(*vm_, Clock::now() + std::chrono::milliseconds(20), &warm_up).status();
  }
  void Note(const absl::Status& status) {
    if (!status.ok()) failure_ = std::string(status.message());
  }
  double Rate() const {
    if (row_.one_at_a_time) return samples_.size() > 0 ? 1 / samples_.Percentile(0.5) : 0;
    return rates_.empty() ? 0 : *std::max_element(rates_.begin(), rates_.end());
  }
  void AddDisplay(const frontend::DisplayState& before, const frontend::DisplayState& after) {
    for (const auto& [request, count] : after.messages) figures_.display_messages += count;
    for (const auto& [request, count] : before.messages) figures_.display_messages -= count;
    figures_.display_pixels += after.pixels - before.pixels;
  }
  uint64_t Notifications() {
    return vm_->control().queue().notifications() + vm_->cursor().queue().notifications();
  }
  uint64_t Kicks() { return vm_->control().queue().kicks() + vm_->cursor().queue().kicks(); }

  const Row& row_;
  const Contender& contender_;
  std::unique_ptr<Workload> workload_;
  std::unique_ptr<frontend::TestVm> vm_;
  std::string failure_;
  Figures figures_;
  std::vector<double> rates_;
  Samples samples_;
};

}  // namespace

std::vector<Figures> MeasureRow(const Row& row, const std::vector<Contender>& contenders,
                                const MeasureOptions& options) {
  std::vector<Lane> lanes;
  for (const Contender& contender : contenders) {
    if (row.virgl || contender.program_2d) lanes.emplace_back(row, contender);
  }
  for (Lane& lane : lanes) lane.Prepare();
  for (uint32_t round = 0; round < options.rounds; ++round) {
    for (Lane& lane : lanes) lane.RunSlice(options.slice);
  }
  std::vector<Figures> figures;
  for (Lane& lane : lanes) figures.push_back(lane.Result());
  return figures;
}

}  // namespace rendercar::bench
