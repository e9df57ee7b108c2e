// The device side of a split virtqueue (virtio 1.2, section 2.7) with EVENT_IDX and INDIRECT_DESC.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/inlined_vector.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "backend/guest/guest_memory.h"
#include "common/status.h"
#include "common/unique_fd.h"

namespace rendercar::guest {

// A request that was popped. The spans are guest bytes (they may change under us) and stay valid
// while the queue's memory table is held.
struct DescriptorChain {
  uint16_t head = 0;  // its index in the descriptor table, to be given back by Push
  absl::InlinedVector<std::span<const std::byte>, 4> readable;
  absl::InlinedVector<std::span<std::byte>, 4> writable;
  size_t readable_bytes = 0;
  size_t writable_bytes = 0;
};

// Copies from the chain's readable bytes, starting at `offset`, into `out`; returns how many were
// there.
size_t CopyFrom(const DescriptorChain& chain, size_t offset, std::span<std::byte> out);
// Copies `in` to the start of the chain's writable bytes; returns how many fitted.
size_t CopyTo(const DescriptorChain& chain, std::span<const std::byte> in);

// One thread. Nothing that the driver writes can make it read or write outside guest memory, or
// loop for more than kMaxChainDescriptors steps.
class Virtqueue {
 public:
  struct Config {
    uint32_t size = 0;  // descriptors: a power of two, 32768 at most
    uint64_t desc_user_addr = 0;
    uint64_t avail_user_addr = 0;
    uint64_t used_user_addr = 0;
    uint16_t last_avail_index = 0;  // SET_VRING_BASE
    bool event_idx = false;
    bool indirect_desc = false;
  };

  // Translates the rings; InvalidArgument in words when they do not lie in guest memory or are
  // misaligned.
  static absl::StatusOr<Virtqueue> Create(const Config& config,
                                          std::shared_ptr<const GuestMemory> memory);

  // The next request; nullopt when the guest has made none available. InvalidArgument when the ring
  // or the chain is malformed (index ahead by more than the size, more requests in flight than
  // descriptors, loop, descriptor out of range, bytes outside guest memory, more than
  // kMaxChainBytes): the queue must be stopped then, as a driver that does this cannot be followed.
  absl::StatusOr<std::optional<DescriptorChain>> Pop();

  // Puts a request into the used ring with `written_bytes` of its writable part filled.
  void Push(uint16_t head, uint32_t written_bytes);
  // Publishes what was pushed since the last call; true when the driver wants a notification.
  [[nodiscard]] bool PublishUsed();

  // Asks the driver to kick (or, as a hint, not to) when it makes requests available. EnableKicks
  // returns true when requests arrived meanwhile, so that the caller pops again before it sleeps.
  [[nodiscard]] bool EnableKicks();
  void DisableKicks();
  // Whether the driver has made requests available; looks at guest memory once.
  bool HasRequests() const;
  // Whether nothing was ever written into a ring that starts at index 0. After a kick this means
  // that the driver writes into other memory than we see.
  bool LooksUntouched() const;

  // For GET_VRING_BASE: the index of the next request to pop.
  uint16_t last_avail_index() const { return last_avail_; }
  // Requests popped and not pushed yet.
  uint32_t in_flight() const { return in_flight_; }
  const Config& config() const { return config_; }

  static constexpr uint32_t kMaxSize = 32768;
  static constexpr size_t kMaxChainBytes = size_t{64} << 20;
  // An indirect table may be longer than the queue (Linux makes such ones); this bounds it. QEMU's
  // own devices take no more either.
  static constexpr uint32_t kMaxChainDescriptors = 1024;

 private:
  struct Descriptor;
  Virtqueue() = default;
  absl::Status Walk(uint16_t head, DescriptorChain& chain) const;
  absl::Status WalkIndirect(const Descriptor& table, DescriptorChain& chain) const;
  absl::Status AddBuffer(const Descriptor& descriptor, DescriptorChain& chain) const;
  absl::StatusOr<Descriptor> ReadDescriptor(uint64_t guest_addr) const;

  Config config_;
  std::shared_ptr<const GuestMemory> memory_;
  std::byte* desc_ = nullptr;   // guest bytes, size * 16
  std::byte* avail_ = nullptr;  // guest bytes, flags, idx, ring[size], used_event
  std::byte* used_ = nullptr;   // guest bytes, flags, idx, ring[size], avail_event
  uint16_t mask_ = 0;
  uint16_t last_avail_ = 0;  // next request to pop
  uint16_t seen_avail_ = 0;  // the driver's index as last read and checked
  uint16_t next_used_ = 0;   // where the next Push goes
  uint16_t published_ = 0;   // what the driver has been told
  bool notified_ = false;    // whether the driver was ever told since Create
  uint32_t in_flight_ = 0;
};

}  // namespace rendercar::guest
