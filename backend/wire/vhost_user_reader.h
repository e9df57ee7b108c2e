// Takes whole vhost-user messages from a socket that may bring them in pieces.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <vector>

#include "backend/wire/vhost_user_decode.h"
#include "common/status.h"
#include "common/unique_fd.h"

namespace rendercar::wire {

struct ReceivedMessage {
  VhostUserHeader header{};
  VhostUserMessage message;

  bool needs_reply() const { return (header.flags & VHOST_USER_NEED_REPLY_MASK) != 0; }
};

// One thread; never blocks. Holds one message of bounded size at most.
class VhostUserReader {
 public:
  // `socket` is a connected stream socket, borrowed.
  explicit VhostUserReader(int socket) : socket_(socket) {}

  // The next message; nullopt when it is not all there yet. Aborted when the frontend has closed
  // the socket between two messages; InvalidArgument, in words, when it breaks the protocol (the
  // connection is of no use then).
  absl::StatusOr<std::optional<ReceivedMessage>> Read();
  // Whether nothing of a next message was received.
  bool idle() const { return filled_ == 0; }

 private:
  // Fills buffer_ up to `wanted`; false when the rest is still to come.
  absl::StatusOr<bool> Fill(size_t wanted);

  const int socket_;
  std::array<std::byte, sizeof(VhostUserHeader) + kMaxVhostUserPayload> buffer_;
  size_t filled_ = 0;
  std::vector<UniqueFd> fds_;
};

}  // namespace rendercar::wire
