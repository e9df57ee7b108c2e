// The descriptors beside a state: in it each is a number, its place in their list.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "common/unique_fd.h"

namespace rendercar::wire {

inline constexpr int32_t kNoFd = -1;

// Of the process that leaves: borrowed.
class LeftFds {
 public:
  int32_t Put(int fd) {
    if (fd < 0) return kNoFd;
    fds_.push_back(fd);
    return static_cast<int32_t>(fds_.size() - 1);
  }
  const std::vector<int>& all() const { return fds_; }

 private:
  std::vector<int> fds_;
};

// Of the process that goes on.
class TakenFds {
 public:
  TakenFds() = default;
  explicit TakenFds(std::vector<UniqueFd> fds) : fds_(std::move(fds)) {}
  // Invalid when there is no such place, or it was taken before.
  UniqueFd Take(int32_t place) {
    if (place < 0 || static_cast<size_t>(place) >= fds_.size()) return {};
    return std::move(fds_[static_cast<size_t>(place)]);
  }
  size_t size() const { return fds_.size(); }

 private:
  std::vector<UniqueFd> fds_;
};

}  // namespace rendercar::wire
