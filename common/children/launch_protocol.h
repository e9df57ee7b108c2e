// Between a process and the one that holds its children: one request, one answer, each one message
// on a SOCK_SEQPACKET pair.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/status.h"
#include "common/unique_fd.h"

namespace rendercar::launcher {

// The descriptor of the control process's end, in its environment.
inline constexpr char kSocketVariable[] = "RENDERCAR_LAUNCHER_FD";

enum class Kind : uint32_t {
  kStart,     // strings: name, argv...; numbers: for each descriptor its number in the child, or
              // kKept -> id, numbers: pid; descriptor: pidfd
  kStatus,    // id -> numbers: 1 when ended, ChildEnd::Kind, code
  kForget,    // id: killed if it runs; the launcher reaps it
  kList,      // -> numbers: how often a control process ended before this one; ids of all children
  kTake,      // id -> strings: name; numbers: pid; descriptors: pidfd, then the kept ones
  kRemember,  // strings: key, note (empty: forget)
  kNotes,     // -> strings: all keys
  kNote,      // strings: key -> strings: note
  kAnswer,    // code: an absl::StatusCode; not OK: strings: why
};
inline constexpr int64_t kKept = -1;

// Bounds of a message; more is refused by either side.
inline constexpr size_t kMaxMessageBytes = 64 * 1024;
inline constexpr size_t kMaxStrings = 512;
inline constexpr size_t kMaxNumbers = 512;
inline constexpr size_t kMaxFds = 8;
inline constexpr size_t kMaxChildren = 256;
inline constexpr size_t kMaxNotes = 256;

struct Message {
  Kind kind = Kind::kAnswer;
  int32_t code = 0;
  uint64_t id = 0;
  std::vector<int64_t> numbers;
  std::vector<std::string> strings;
  std::vector<UniqueFd> fds;
};

// An answer of failure.
Message Failure(const absl::Status& status);
// The failure that an answer is; OK otherwise.
absl::Status StatusOf(const Message& answer);

// `extra_fds` go after the message's own. Aborted when the peer is gone.
absl::Status Send(int socket, const Message& message, const std::vector<int>& extra_fds = {});
// Blocks unless `flags` say MSG_DONTWAIT. Aborted: the peer is gone; InvalidArgument: this is no
// message.
absl::StatusOr<Message> Receive(int socket, int flags = 0);

}  // namespace rendercar::launcher
