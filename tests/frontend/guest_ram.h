// The guest's RAM: memfds mapped here and shared with the backend, and a bump allocator in them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/shared_memory.h"
#include "common/status.h"
#include "common/unique_fd.h"

namespace rendercar::frontend {

// A stretch of guest physical memory.
struct GuestSpan {
  uint64_t addr = 0;
  uint32_t size = 0;
};

class GuestRam {
 public:
  struct RegionOptions {
    uint64_t guest_addr = 0;
    size_t size = 0;
  };
  // What QEMU's pc machine looks like: memory from 0, a hole, memory above 4 GiB.
  static std::vector<RegionOptions> DefaultRegions() {
    return {{0, size_t{1} << 20}, {uint64_t{4} << 30, size_t{128} << 20}};
  }

  // One memfd a region, sealed as QEMU seals its own (`seal`), or as a hostile frontend would not.
  static absl::StatusOr<GuestRam> Create(const std::vector<RegionOptions>& regions,
                                         bool seal = true);

  struct Region {
    uint64_t guest_addr = 0;
    UniqueFd fd;
    Mapping mapping;
    uint64_t user_addr() const;
    uint64_t size() const { return mapping.bytes().size(); }
  };
  const std::vector<Region>& regions() const { return regions_; }

  // Host bytes of [addr, addr + size); the caller's mistake is a bug.
  std::span<std::byte> At(uint64_t addr, size_t size) const;
  // The address by which a vhost-user message names the same byte.
  uint64_t UserAddress(uint64_t addr) const;

  // New memory in the last region, zeroed when first used.
  uint64_t Allocate(size_t size, size_t align = 16);
  // `size` bytes as single 4 KiB pages in an order that never has two neighbours in a row, as a
  // guest's memory looks after a while.
  std::vector<GuestSpan> AllocateScattered(size_t size);
  // Everything allocated after `mark` is free again.
  uint64_t mark() const { return next_; }
  void ReleaseTo(uint64_t mark) { next_ = mark; }

 private:
  std::vector<Region> regions_;
  uint64_t next_ = 0;  // offset in the last region
};

// Copies between a list of guest spans, seen as one run of bytes, and host memory.
void WriteTo(const GuestRam& ram, std::span<const GuestSpan> spans,
             std::span<const std::byte> bytes);
std::vector<std::byte> ReadFrom(const GuestRam& ram, std::span<const GuestSpan> spans);

}  // namespace rendercar::frontend
