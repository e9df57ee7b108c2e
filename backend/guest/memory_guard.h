// Survives guest memory that goes away under its mapping: SIGBUS becomes pages of zeros and a
// count.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/status.h"

namespace rendercar::guest {

// A file that is truncated, a huge page that cannot be had, a tmpfs without room: each is SIGBUS
// for whoever touches the mapping. While a GuardedRange lives, an access to its bytes finds zeros
// instead, in private memory that the guest does not see; lost() tells of it afterwards. The signal
// handler is installed with the first range; a SIGBUS elsewhere goes to the handler before it.
class GuardedRange {
 public:
  // `fd` (borrowed while this lives) holds `bytes` from `file_offset` on; `page_bytes` is the page
  // size of the mapping (a huge page's for hugetlbfs). ResourceExhausted when too many ranges live.
  static absl::StatusOr<GuardedRange> Create(std::span<std::byte> bytes, int fd,
                                             uint64_t file_offset, size_t page_bytes);
  GuardedRange() = default;
  GuardedRange(GuardedRange&& other) noexcept;
  GuardedRange& operator=(GuardedRange&& other) noexcept;
  ~GuardedRange();

  bool lost() const;

 private:
  explicit GuardedRange(int slot) : slot_(slot) {}
  void Release();

  int slot_ = -1;
};

// How often, in this process, lost memory was replaced. Any thread.
uint64_t LostMemoryEvents();

}  // namespace rendercar::guest
