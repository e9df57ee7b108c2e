// How a device process is asked by its successor to hand its VM over: messages of one size on a
// unix stream socket that only the own uid and root may use.
//
//   successor: kHello          it is ready, and reads states of these versions
//   predecessor: kState, kFds  it has stopped, and this is its state
//   successor: kPrepared       it could go on, and has touched nothing yet
//   predecessor: kCommit       it ends; from here on the VM is the successor's
//
// Either says kRefused, in words, where it cannot go on; the predecessor then goes on as before,
// and so it does when the successor is gone or slow. After kCommit it never does.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "backend/server/server_state.h"

namespace rendercar::server::handover {

inline constexpr uint32_t kMagic = 0x55484352;  // "RCHU" in memory order

enum class Kind : uint32_t { kHello = 1, kState, kFds, kPrepared, kCommit, kRefused };

// Descriptors that come with one kFds at most; the first of all is the state's memory.
inline constexpr size_t kFdsAtOnce = 16;
inline constexpr size_t kMaxFds = 128;

// How long the VM waits for a successor that says nothing.
inline constexpr std::chrono::milliseconds kPrepareBound{2000};

struct Message {
  uint32_t magic = kMagic;
  Kind kind = Kind::kRefused;
  uint32_t version = kStateVersion;  // the newest that the sender knows
  uint32_t oldest_version = kOldestStateVersion;
  uint32_t fds = 0;  // kState: how many descriptors follow; kFds: with this message
  std::array<char, 236> text{};

  explicit Message(Kind of = Kind::kRefused, const std::string& why = "") : kind(of) {
    std::memcpy(text.data(), why.data(), std::min(why.size(), text.size()));
  }
  std::string why() const { return {text.begin(), std::find(text.begin(), text.end(), '\0')}; }
};
static_assert(sizeof(Message) == 256);

}  // namespace rendercar::server::handover
