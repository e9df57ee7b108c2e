// Guest memory: the regions that the frontend shares, and the only way from a guest address to host
// bytes. SPDX-License-Identifier: Apache-2.0
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

// One mapped region. Shared by memory tables: a table that names the same (device, inode, offset,
// size) keeps the mapping, so that host pointers survive a re-sent table.
class Region {
 public:
  uint64_t guest_addr() const { return guest_addr_; }
  uint64_t user_addr() const { return user_addr_; }
  uint64_t size_bytes() const { return bytes_.size(); }
  uint64_t mmap_offset() const { return mmap_offset_; }
  int fd() const { return fd_.get(); }
  // Guest bytes: they may change under us at any time. Read what decides anything once, into a
  // private copy.
  std::span<std::byte> bytes() const { return bytes_; }

 private:
  friend class GuestMemory;
  uint64_t guest_addr_ = 0;
  uint64_t user_addr_ = 0;
  uint64_t mmap_offset_ = 0;
  UniqueFd fd_;
  dev_t dev_ = 0;
  ino_t ino_ = 0;
  std::shared_ptr<Mapping> mapping_;
  std::span<std::byte> bytes_;
};

// An immutable memory table. A view that Translate gives stays valid as long as the table's
// shared_ptr is held.
class GuestMemory {
 public:
  // The most regions that a table may have (QEMU sends at most 8 without memory slots).
  static constexpr size_t kMaxRegions = 32;

  // Maps `regions`, reusing `previous`'s mappings where they are the same. InvalidArgument, in
  // words, for overlapping regions, sizes of zero, wrapping addresses or descriptors that hold
  // fewer bytes; memory that its sender could shrink is sealed, or guarded against SIGBUS where it
  // cannot be sealed.
  static absl::StatusOr<std::shared_ptr<const GuestMemory>> Map(
      std::vector<RegionDescription> regions, const GuestMemory* previous);

  // (guest physical address, length) to host bytes; one region must hold them all. InvalidArgument
  // otherwise; never wraps.
  absl::StatusOr<std::span<std::byte>> Translate(uint64_t guest_addr, uint64_t size_bytes) const;
  // The same for an address in the frontend's own address space (vring addresses).
  absl::StatusOr<std::span<std::byte>> TranslateUser(uint64_t user_addr, uint64_t size_bytes) const;

  const std::vector<Region>& regions() const { return regions_; }

 private:
  std::vector<Region> regions_;  // by guest address
};

}  // namespace rendercar::guest
