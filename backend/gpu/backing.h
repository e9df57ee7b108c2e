// The guest memory behind a resource: from an offset in it to host bytes.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "backend/gpu/renderer.h"
#include "backend/guest/guest_memory.h"

namespace rendercar::gpu {

// A stretch of a backing that is contiguous in host memory.
struct Segment {
  uint64_t offset = 0;
  uint64_t size_bytes = 0;
  std::byte* host = nullptr;  // null: lost
};

class Backing {
 public:
  // `memory` may be null: then every range is lost until Resolve finds it.
  Backing(std::vector<GuestRange> ranges, const guest::GuestMemory* memory);

  // Finds the host bytes anew, after the memory table changed. The views are `memory`'s: the caller
  // holds it as long as this uses it.
  void Resolve(const guest::GuestMemory* memory);

  std::span<const GuestRange> ranges() const { return ranges_; }
  uint64_t size_bytes() const { return size_bytes_; }
  // Whether the memory table has all of it.
  bool whole() const { return whole_; }

  // Walks it forwards, in the order of the offsets; steps cost little where pages are scattered.
  class Walker {
   public:
    explicit Walker(const Backing& backing) : segments_(backing.segments_) {}
    // The host bytes at `offset` that lie in a row, `max` at most: guest bytes, which may change
    // under us. Empty where the backing ends or its memory is lost.
    std::span<const std::byte> At(uint64_t offset, size_t max);
    // Asks the processor for the start of what follows the stretch that At gave last: scattered
    // pages defeat its own guesses.
    void PrefetchNext() const {
      if (index_ + 1 >= segments_.size()) return;
      const std::byte* next = segments_[index_ + 1].host;
      if (next == nullptr) return;
      for (size_t at = 0; at < 512; at += 64) __builtin_prefetch(next + at);
    }

   private:
    std::span<const Segment> segments_;
    size_t index_ = 0;
  };

 private:
  std::vector<GuestRange> ranges_;
  std::vector<Segment> segments_;
  uint64_t size_bytes_ = 0;
  bool whole_ = false;
};

}  // namespace rendercar::gpu
