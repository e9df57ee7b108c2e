// Takes whole vhost-user messages from a socket that may bring them in pieces.
// SPDX-License-Identifier: Apache-2.0
#include "backend/wire/vhost_user_reader.h"

#include <sys/socket.h>

#include <cstring>
#include <utility>

#include "common/unix_socket.h"

namespace rendercar::wire {

absl::StatusOr<bool> VhostUserReader::Fill(size_t wanted) {
  while (filled_ < wanted) {
    // Header and payload are received apart, so that nothing of the next message, descriptors least
    // of all, is taken with this one. Descriptors belong to a message's first byte.
    const size_t max_fds = filled_ == 0 ? kMaxVhostUserFds : 0;
    auto received = ReceiveWithFds(socket_, std::span(buffer_).subspan(filled_, wanted - filled_),
                                   max_fds, MSG_DONTWAIT);
    if (absl::IsUnavailable(received.status())) return false;
    if (!received.ok()) return received.status();
    if (received->size == 0) {
      if (filled_ == 0) return absl::AbortedError("the frontend closed its socket");
      return absl::InvalidArgumentError("the frontend closed its socket inside a message");
    }
    filled_ += received->size;
    for (UniqueFd& fd : received->fds) fds_.push_back(std::move(fd));
  }
  return true;
}

absl::StatusOr<std::optional<ReceivedMessage>> VhostUserReader::Read() {
  ReceivedMessage received;
  RC_ASSIGN_OR_RETURN(const bool header_there, Fill(sizeof(received.header)));
  if (!header_there) return std::optional<ReceivedMessage>();
  std::memcpy(&received.header, buffer_.data(), sizeof(received.header));
  RC_RETURN_IF_ERROR(CheckHeader(received.header));
  const size_t whole = sizeof(received.header) + received.header.size;
  RC_ASSIGN_OR_RETURN(const bool all_there, Fill(whole));
  if (!all_there) return std::optional<ReceivedMessage>();
  filled_ = 0;
  RC_ASSIGN_OR_RETURN(
      received.message,
      DecodeVhostUser(received.header,
                      std::span(buffer_).subspan(sizeof(received.header), received.header.size),
                      std::exchange(fds_, {})));
  return std::optional<ReceivedMessage>(std::move(received));
}

}  // namespace rendercar::wire
