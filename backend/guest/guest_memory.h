// Guest memory: the regions that the frontend shares, and the only way from a guest address to host
// bytes.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/shared_memory.h"
#include "common/status.h"
#include "common/unique_fd.h"

namespace rendercar::guest {

// One region as SET_MEM_TABLE describes it (vhost-user specification, "Memory region description").
// All values are the frontend's and checked by GuestMemory::Map.
struct RegionDescription {
  uint64_t guest_addr = 0;  // guest physical address of the first byte
  uint64_t size_bytes = 0;
  uint64_t user_addr = 0;  // the frontend's own virtual address; ring addresses are given in these
  uint64_t mmap_offset = 0;  // where the region starts in `fd`
  UniqueFd fd;
};

class RegionMapping;

// One mapped region. Shared by memory tables: a table that names the same (device, inode, offset,
// size) keeps the mapping, so that host pointers survive a re-sent table.
class Region {
 public:
  uint64_t guest_addr() const { return guest_addr_; }
  uint64_t user_addr() const { return user_addr_; }
  uint64_t size_bytes() const { return bytes_.size(); }
  uint64_t mmap_offset() const { return mmap_offset_; }
  int fd() const;
  // Guest bytes: they may change under us at any time. Read what decides anything once, into a
  // private copy.
  std::span<std::byte> bytes() const { return bytes_; }
  // Whether an access found that the memory is gone (its file was truncated, the host has none
  // left): zeros stand in its place since.
  bool lost() const;

 private:
  friend class GuestMemory;
  uint64_t guest_addr_ = 0;
  uint64_t user_addr_ = 0;
  uint64_t mmap_offset_ = 0;
  std::shared_ptr<const RegionMapping> mapping_;
  std::span<std::byte> bytes_;
};

// An immutable memory table. A view that Translate gives stays valid as long as the table's
// shared_ptr is held. Any thread.
class GuestMemory {
 public:
  // The most regions that a table may have (QEMU sends at most 8 without memory slots).
  static constexpr size_t kMaxRegions = 32;

  // Maps `regions`, reusing `previous`'s mappings where they are the same. InvalidArgument, in
  // words, for overlapping regions, sizes of zero, wrapping addresses or descriptors that hold
  // fewer bytes. Memory that its sender could shrink is sealed where it can be; all of it is
  // guarded against SIGBUS (memory_guard.h).
  static absl::StatusOr<std::shared_ptr<const GuestMemory>> Map(
      std::vector<RegionDescription> regions, const GuestMemory* previous);

  // (guest physical address, length) to host bytes; one region must hold them all. InvalidArgument
  // otherwise; never wraps.
  absl::StatusOr<std::span<std::byte>> Translate(uint64_t guest_addr, uint64_t size_bytes) const;
  // The same for an address in the frontend's own address space (vring addresses).
  absl::StatusOr<std::span<std::byte>> TranslateUser(uint64_t user_addr, uint64_t size_bytes) const;
  // As many of the bytes as one region holds, from the first on; none when even that one lies
  // nowhere. For walking bytes that cross from one region into the next.
  std::span<std::byte> TranslatePrefix(uint64_t guest_addr, uint64_t size_bytes) const {
    return Prefix(by_guest_addr_, guest_addr, size_bytes);
  }

  const std::vector<Region>& regions() const { return regions_; }

 private:
  struct Window {
    uint64_t addr = 0;
    uint64_t size_bytes = 0;
    std::byte* host = nullptr;
  };
  static std::span<std::byte> Prefix(const std::vector<Window>& windows, uint64_t addr,
                                     uint64_t size_bytes) {
    for (const Window& window : windows) {
      const uint64_t offset = addr - window.addr;  // huge for an address before the window
      if (offset >= window.size_bytes) continue;
      const uint64_t left = window.size_bytes - offset;
      return {window.host + offset, size_bytes < left ? size_bytes : left};
    }
    return {};
  }
  absl::Status Add(RegionDescription description, const GuestMemory* previous);

  std::vector<Region> regions_;  // by guest address
  std::vector<Window> by_guest_addr_;
  std::vector<Window> by_user_addr_;
};

}  // namespace rendercar::guest
