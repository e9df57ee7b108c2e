// The one owner of a file descriptor.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

namespace rendercar {

// Move-only; closes on destruction. Every descriptor is close-on-exec from birth: whoever opens one
// passes O_CLOEXEC (or the call's own flag).
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

  // Gives the descriptor away; this object is empty afterwards.
  [[nodiscard]] int Release() { return std::exchange(fd_, -1); }
  // Closes what is owned, then owns `fd` (or nothing).
  void Reset(int fd = -1);
  // A second descriptor of the same open file; empty (with errno set) when the process has none
  // left.
  UniqueFd Duplicate() const;

 private:
  int fd_ = -1;
};

// Compile-time trap: `close(unique_fd)` would close twice.
int close(const UniqueFd&) = delete;

}  // namespace rendercar
