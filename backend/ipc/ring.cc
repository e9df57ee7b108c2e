// A lock-free byte ring between two processes: one writes, one reads, and neither believes the
// other.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/ring.h"

#include <sys/stat.h>

#include <bit>
#include <cerrno>

namespace rendercar::ipc {

absl::StatusOr<UniqueFd> CreateRingMemory(const std::string& name, size_t data_bytes) {
  RC_CHECK(std::has_single_bit(data_bytes) && data_bytes >= kRingIndexBytes,
           "a ring's size is a power of two and at least a page");
  return CreateSealedMemory(name, kRingIndexBytes + data_bytes);
}

absl::StatusOr<RingMemory> RingMemory::Map(int fd, Mapping::Access data_access) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return ErrnoStatus(errno, "looking at a ring's memory");
  const auto size = static_cast<size_t>(info.st_size);
  if (size < 2 * kRingIndexBytes || !std::has_single_bit(size - kRingIndexBytes)) {
    return absl::InvalidArgumentError(absl::StrCat("a ring cannot have ", size, " bytes"));
  }
  RingMemory memory;
  RC_ASSIGN_OR_RETURN(memory.index_,
                      Mapping::Map(fd, 0, kRingIndexBytes, Mapping::Access::kReadWrite));
  RC_ASSIGN_OR_RETURN(memory.data_,
                      Mapping::MapTwice(fd, kRingIndexBytes, size - kRingIndexBytes, data_access));
  return memory;
}

bool RingProducer::Refresh() {
  const uint64_t head = indexes().head.load(std::memory_order_acquire);
  // One comparison for both bounds: head_ <= head <= tail_, also around 2^64.
  if (head - head_ > tail_ - head_) return false;
  head_ = head;
  return true;
}

std::span<std::byte> RingProducer::Reserve(size_t size) const {
  if (size > free_bytes()) return {};
  return memory_.At(tail_, size);
}

void RingProducer::Commit(size_t size) {
  RC_CHECK(size <= free_bytes(), "more was committed to a ring than it has room for");
  tail_ += size;
  indexes().tail.store(tail_, std::memory_order_release);
}

bool RingProducer::TakeSleeper() {
  // Pairs with the fence in PrepareSleep: either the sleeper sees the new tail, or this sees it
  // sleep.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  auto& sleeps = indexes().consumer_sleeps;
  return sleeps.load(std::memory_order_relaxed) != 0 &&
         sleeps.exchange(0, std::memory_order_relaxed) != 0;
}

std::optional<std::span<const std::byte>> RingConsumer::Peek() const {
  const uint64_t tail = indexes().tail.load(std::memory_order_acquire);
  if (tail - head_ > capacity()) return std::nullopt;
  return memory_.At(head_, static_cast<size_t>(tail - head_));
}

void RingConsumer::Consume(size_t size) {
  head_ += size;
  indexes().head.store(head_, std::memory_order_release);
}

bool RingConsumer::TakeWaiter() {
  if (indexes().tail.load(std::memory_order_relaxed) - head_ > capacity() / 2) return false;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  auto& waits = indexes().producer_waits;
  return waits.load(std::memory_order_relaxed) != 0 &&
         waits.exchange(0, std::memory_order_relaxed) != 0;
}

bool RingConsumer::PrepareSleep() {
  indexes().consumer_sleeps.store(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (empty()) return true;
  EndSleep();
  return false;
}

void RingConsumer::EndSleep() { indexes().consumer_sleeps.store(0, std::memory_order_relaxed); }

}  // namespace rendercar::ipc
