// A guest for tests: memory in memfds, and the driver's side of a split virtqueue in it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "backend/guest/guest_memory.h"
#include "backend/guest/virtqueue.h"

namespace rendercar::guest {

// Guest physical memory of one or more regions, one after the other from kGuestBase on; each is a
// memfd of its own. The frontend's user addresses are guest addresses plus kUserOffset.
class FakeGuestMemory {
 public:
  static constexpr uint64_t kGuestBase = 0x10000000;
  static constexpr uint64_t kUserOffset = 0x7f0000000000;

  explicit FakeGuestMemory(const std::vector<size_t>& region_sizes = {size_t{1} << 20});

  // What SET_MEM_TABLE would say; each call duplicates the descriptors.
  std::vector<RegionDescription> Describe() const;
  // The table as the device maps it.
  std::shared_ptr<const GuestMemory> Map() const;
  // The guest's own view of its memory, of bytes that lie in one region.
  std::byte* At(uint64_t guest_addr, size_t size = 1) const;
  template <typename T>
  T Read(uint64_t guest_addr) const {
    T value;
    __builtin_memcpy(&value, At(guest_addr, sizeof(T)), sizeof(T));
    return value;
  }
  template <typename T>
  void Write(uint64_t guest_addr, const T& value) {
    __builtin_memcpy(At(guest_addr, sizeof(T)), &value, sizeof(T));
  }
  int fd(size_t region) const { return regions_[region].fd.get(); }

 private:
  struct FakeRegion {
    uint64_t guest_addr = 0;
    UniqueFd fd;
    Mapping mapping;
  };
  std::vector<FakeRegion> regions_;
};

// One buffer of a request, by guest address.
struct FakeBuffer {
  uint64_t guest_addr = 0;
  uint32_t size = 0;
  bool writable = false;
};

// The driver's side of one queue, laid out from `ring_addr` on: descriptors, available ring, used
// ring, each page-aligned. Does what it is told, right or wrong.
class FakeDriver {
 public:
  FakeDriver(FakeGuestMemory& memory, uint64_t ring_addr, uint32_t size);

  // For Virtqueue::Create.
  Virtqueue::Config config() const;
  static uint64_t RingBytes(uint32_t size);

  // Makes a request available, of direct or indirect descriptors (the table then lies at
  // `table_addr`); returns its head.
  uint16_t Add(std::span<const FakeBuffer> buffers);
  uint16_t AddIndirect(std::span<const FakeBuffer> buffers, uint64_t table_addr);

  // Raw access, for malformed rings.
  void WriteDescriptor(uint16_t index, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next);
  void MakeAvailable(uint16_t head);
  void SetAvailIndex(uint16_t index);
  void SetAvailFlags(uint16_t flags);
  void SetUsedIndex(uint16_t index);
  // With EVENT_IDX: the used index at which the driver wants its notification.
  void SetUsedEvent(uint16_t index);
  uint16_t avail_index() const { return avail_index_; }
  uint16_t UsedIndex() const;
  uint16_t UsedFlags() const;
  // With EVENT_IDX: the available index at which the device wants its kick.
  uint16_t AvailEvent() const;

  struct Used {
    uint32_t id = 0;
    uint32_t len = 0;
  };
  // The next answered request; nullopt when there is none. Frees its descriptors.
  std::optional<Used> TakeUsed();

  uint64_t desc_addr() const { return desc_; }
  uint64_t avail_addr() const { return avail_; }
  uint64_t used_addr() const { return used_; }

 private:
  uint16_t Allocate(size_t count);

  FakeGuestMemory& memory_;
  uint32_t size_;
  uint64_t desc_, avail_, used_;
  uint16_t avail_index_ = 0;
  uint16_t taken_ = 0;
  uint16_t next_free_ = 0;
};

}  // namespace rendercar::guest
