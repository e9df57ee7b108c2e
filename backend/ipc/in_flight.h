// What the device process has handed to a renderer and not got back: kept here, on the device's
// side, so that whatever the renderer writes can complete nothing twice and nothing that is not
// there.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "backend/gpu/renderer.h"

namespace rendercar::ipc {

class InFlight {
 public:
  // The most records at one time; bounds memory and the completion ring.
  static constexpr size_t kMaxRecords = 16384;
  // The most of them that want a completion; the completion ring has room for more.
  static constexpr size_t kMaxAwaited = 4096;

  // The sequence number that the next record gets.
  uint64_t next_seq() const { return base_ + entries_.size(); }
  bool full() const { return entries_.size() >= kMaxRecords || awaited_ >= kMaxAwaited; }
  // Nothing awaits a completion and the renderer has consumed everything.
  bool idle() const { return entries_.empty(); }
  // How many still await a completion.
  size_t awaited() const { return awaited_; }

  // A record that ends at `end` of the ring was written. Returns its sequence number.
  uint64_t Add(uint64_t token, uint32_t ctx_id, gpu::Completion completion, uint64_t end);
  // The renderer says that `seq` is complete. The token, once; nullopt when that is impossible:
  // unknown, already complete, not awaited, or a fence before an earlier fence.
  std::optional<uint64_t> Complete(uint64_t seq);
  // The renderer has consumed the ring up to `head`.
  void Advance(uint64_t head);
  // The context whose record `seq` (hostile) is; 0 when it is none in flight.
  uint32_t ContextOf(uint64_t seq) const;
  // The context of the oldest record that is not complete; 0: none.
  uint32_t OldestContext() const;
  // Empties it; the tokens that still awaited a completion, in order.
  std::vector<uint64_t> TakeAwaited();

 private:
  struct Entry {
    uint64_t token = 0;
    uint64_t end = 0;
    uint32_t ctx_id = 0;
    bool fenced = false;
    bool awaited = false;
    bool consumed = false;
  };
  void Retire();

  std::deque<Entry> entries_;  // entries_[i] has the number base_ + i
  uint64_t base_ = 1;
  uint64_t first_unconsumed_ = 1;
  uint64_t last_fence_ = 0;  // fences complete in order (all timelines share one queue in virgl)
  size_t awaited_ = 0;
};

}  // namespace rendercar::ipc
