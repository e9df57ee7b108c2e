// Memory that two processes map: a sealed memfd, and mappings that unmap themselves.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "common/status.h"
#include "common/unique_fd.h"

namespace rendercar {

// Owns one mmap; move-only.
class Mapping {
 public:
  enum class Access { kReadOnly, kReadWrite };

  Mapping() = default;
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  // Maps [offset, offset + size) of `fd`, MAP_SHARED. Fails with the system's reason.
  static absl::StatusOr<Mapping> Map(int fd, uint64_t offset, size_t size, Access access);
  // Maps the first `size` bytes (a multiple of the page size) twice in a row, so that a ring's
  // record never wraps. bytes() then has 2 * size bytes.
  static absl::StatusOr<Mapping> MapTwice(int fd, uint64_t offset, size_t size, Access access);

  std::span<std::byte> bytes() const { return {static_cast<std::byte*>(address_), size_}; }
  bool valid() const { return address_ != nullptr; }

 private:
  Mapping(void* address, size_t size) : address_(address), size_(size) {}
  void Unmap();

  void* address_ = nullptr;
  size_t size_ = 0;
};

// A new memfd of `size` zero bytes that nobody can shrink or grow. `name` shows in /proc/PID/maps.
absl::StatusOr<UniqueFd> CreateSealedMemory(const std::string& name, size_t size);

// Refuses memory that its sender could truncate under a mapping (which would be SIGBUS for whoever
// maps it): OK when `fd` is a memfd with F_SEAL_SHRINK, or one that took the seal now, and holds at
// least `size` bytes.
absl::Status SealAgainstShrinking(int fd, uint64_t size);

}  // namespace rendercar
