// A lock-free byte ring between two processes: one writes, one reads, and neither believes the
// other.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "common/shared_memory.h"
#include "common/status.h"
#include "common/unique_fd.h"

namespace rendercar::ipc {

// The first page of a ring's memory; the data follow it. Both processes map it writable, so that
// each side keeps its own index privately and only ever takes the other's from here, checked.
struct RingIndexes {
  alignas(64) std::atomic<uint64_t> tail;             // bytes ever written; the producer's
  alignas(64) std::atomic<uint64_t> head;             // bytes ever consumed; the consumer's
  alignas(64) std::atomic<uint32_t> consumer_sleeps;  // the producer must wake it
  std::atomic<uint32_t> producer_waits;               // the consumer must tell of room
  alignas(64) std::atomic<uint64_t> executing;  // command ring: the record being executed, 0: none
  std::atomic<uint32_t> forbidden_call;         // command ring: 1 + the system call it died of
};
static_assert(sizeof(RingIndexes) == 256);
static_assert(std::atomic<uint64_t>::is_always_lock_free);
inline constexpr size_t kRingIndexBytes = 4096;

// Sealed memory for a ring of `data_bytes` (a power of two, at least a page).
absl::StatusOr<UniqueFd> CreateRingMemory(const std::string& name, size_t data_bytes);

// What both ends have: the mapped memory.
class RingMemory {
 public:
  // Maps the whole of `fd`; its size tells the ring's. The data are mapped twice in a row, so that
  // nothing that is written or read ever wraps.
  static absl::StatusOr<RingMemory> Map(int fd, Mapping::Access data_access);

  RingIndexes& indexes() const { return *reinterpret_cast<RingIndexes*>(index_.bytes().data()); }
  size_t capacity() const { return data_.bytes().size() / 2; }
  // `size` bytes (capacity() at most) from position `at`.
  std::span<std::byte> At(uint64_t at, size_t size) const {
    return data_.bytes().subspan(at & (capacity() - 1), size);
  }

 private:
  Mapping index_;
  Mapping data_;
};

// The writing end. One thread.
class RingProducer {
 public:
  explicit RingProducer(RingMemory memory) : memory_(std::move(memory)) {}

  size_t capacity() const { return memory_.capacity(); }
  RingIndexes& indexes() const { return memory_.indexes(); }
  // Bytes ever committed.
  uint64_t tail() const { return tail_; }
  // Bytes that the consumer has taken, as of the last Refresh.
  uint64_t head() const { return head_; }
  size_t free_bytes() const { return capacity() - static_cast<size_t>(tail_ - head_); }

  // Looks at the consumer's index. False: it lies outside of what was written; the peer is broken.
  [[nodiscard]] bool Refresh();
  // Room for `size` bytes, or empty when the ring has none (as of the last Refresh).
  std::span<std::byte> Reserve(size_t size) const;
  // The first `size` reserved bytes are written and the consumer may read them.
  void Commit(size_t size);
  // Whether the consumer sleeps; it is taken to be awake afterwards, so the caller must wake it.
  bool TakeSleeper();

 private:
  RingMemory memory_;
  uint64_t tail_ = 0;
  uint64_t head_ = 0;
};

// The reading end. One thread.
class RingConsumer {
 public:
  explicit RingConsumer(RingMemory memory) : memory_(std::move(memory)) {}

  size_t capacity() const { return memory_.capacity(); }
  RingIndexes& indexes() const { return memory_.indexes(); }

  // All bytes that can be read now; nullopt: the producer's index is impossible, the peer is
  // broken. The bytes may change under us when the peer is hostile.
  std::optional<std::span<const std::byte>> Peek() const;
  bool empty() const { return indexes().tail.load(std::memory_order_acquire) == head_; }
  // The first `size` bytes are done with.
  void Consume(size_t size);
  // Whether the producer waits for room and half of the ring is free; it is taken to be told
  // afterwards.
  bool TakeWaiter();

  // Announces sleep. False: something arrived meanwhile, and the announcement is withdrawn.
  [[nodiscard]] bool PrepareSleep();
  void EndSleep();

 private:
  RingMemory memory_;
  uint64_t head_ = 0;
};

}  // namespace rendercar::ipc
