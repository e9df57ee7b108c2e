// What the device process has handed to a renderer and not got back.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/in_flight.h"

namespace rendercar::ipc {

uint64_t InFlight::Add(uint64_t token, uint32_t ctx_id, gpu::Completion completion, uint64_t end) {
  const uint64_t seq = next_seq();
  const bool awaited = completion != gpu::Completion::kNone;
  entries_.push_back(
      {token, end, ctx_id, completion == gpu::Completion::kFenced, awaited, /*consumed=*/false});
  if (awaited) ++awaited_;
  return seq;
}

std::optional<uint64_t> InFlight::Complete(uint64_t seq) {
  if (seq < base_ || seq >= next_seq()) return std::nullopt;
  Entry& entry = entries_[seq - base_];
  if (!entry.awaited) return std::nullopt;
  if (entry.fenced && seq <= last_fence_) return std::nullopt;
  if (entry.fenced) last_fence_ = seq;
  entry.awaited = false;
  --awaited_;
  const uint64_t token = entry.token;
  Retire();
  return token;
}

void InFlight::Advance(uint64_t head) {
  while (first_unconsumed_ < next_seq()) {
    Entry& entry = entries_[first_unconsumed_ - base_];
    if (head - entry.end > uint64_t{1} << 63) break;  // the record ends behind `head`
    entry.consumed = true;
    ++first_unconsumed_;
  }
  Retire();
}

void InFlight::Retire() {
  while (!entries_.empty() && entries_.front().consumed && !entries_.front().awaited) {
    entries_.pop_front();
    ++base_;
  }
}

uint32_t InFlight::ContextOf(uint64_t seq) const {
  if (seq < base_ || seq >= next_seq()) return 0;
  return entries_[seq - base_].ctx_id;
}

uint32_t InFlight::OldestContext() const { return entries_.empty() ? 0 : entries_.front().ctx_id; }

std::vector<uint64_t> InFlight::TakeAwaited() {
  std::vector<uint64_t> tokens;
  tokens.reserve(awaited_);
  for (const Entry& entry : entries_) {
    if (entry.awaited) tokens.push_back(entry.token);
  }
  base_ = next_seq();
  first_unconsumed_ = base_;
  entries_.clear();
  awaited_ = 0;
  return tokens;
}

}  // namespace rendercar::ipc
