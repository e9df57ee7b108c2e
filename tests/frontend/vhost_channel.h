// One vhost-user connection as the frontend sees it: messages out with descriptors, replies in;
// also any bytes at all.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/status.h"
#include "common/unique_fd.h"
#include "tests/frontend/vhost_wire.h"

namespace rendercar::frontend {

struct VhostReply {
  VhostUserHeader header;
  std::vector<std::byte> payload;
  std::vector<UniqueFd> fds;
};

// The bytes of a trivially copyable value.
template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span<const T, 1>(&value, 1));
}

class VhostChannel {
 public:
  // Waits for a reply this long: a guard against hanging for ever, not a measurement.
  static constexpr std::chrono::seconds kReplyTimeout{20};

  VhostChannel() = default;
  explicit VhostChannel(UniqueFd socket) : socket_(std::move(socket)) {}

  // A message as the specification wants it. Aborted when the backend closed the connection.
  absl::Status Send(uint32_t request, std::span<const std::byte> payload = {},
                    std::span<const int> fds = {}, uint32_t flags = 0);
  // Any bytes with any descriptors.
  absl::Status SendRaw(std::span<const std::byte> bytes, std::span<const int> fds = {});
  // The next reply; Aborted when the backend closed, DeadlineExceeded when nothing came.
  absl::StatusOr<VhostReply> Receive(std::chrono::milliseconds timeout = kReplyTimeout);

  // Sends and awaits the reply to the same request.
  absl::StatusOr<VhostReply> Call(uint32_t request, std::span<const std::byte> payload = {},
                                  std::span<const int> fds = {}, uint32_t flags = 0);
  absl::StatusOr<uint64_t> GetU64(uint32_t request);
  absl::Status SetU64(uint32_t request, uint64_t value, std::span<const int> fds = {});
  // The same with NEED_REPLY: the acknowledgement's value, 0 for success.
  absl::StatusOr<uint64_t> CallForAck(uint32_t request, std::span<const std::byte> payload,
                                      std::span<const int> fds = {});

  // Whether the backend hangs up within `timeout`; what it still sends is thrown away.
  bool ClosedWithin(std::chrono::milliseconds timeout = kReplyTimeout);

  int fd() const { return socket_.get(); }
  void Close() { socket_.Reset(); }

 private:
  absl::Status ReceiveExactly(std::span<std::byte> out, std::vector<UniqueFd>* fds,
                              std::chrono::milliseconds timeout);

  UniqueFd socket_;
};

}  // namespace rendercar::frontend
