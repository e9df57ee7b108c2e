// One vhost-user connection as the frontend sees it: messages out with descriptors, replies in;
// also any bytes at all.
// SPDX-License-Identifier: Apache-2.0
#include "tests/frontend/vhost_channel.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "common/unix_socket.h"

namespace rendercar::frontend {
namespace {

constexpr size_t kMaxReplyBytes = 4096;

absl::Status WaitReadable(int fd, std::chrono::milliseconds timeout) {
  pollfd poll{fd, POLLIN, 0};
  const int ready = ::poll(&poll, 1, static_cast<int>(timeout.count()));
  if (ready < 0) return ErrnoStatus(errno, "poll the vhost-user socket");
  if (ready == 0) return absl::DeadlineExceededError("the backend sent nothing");
  return absl::OkStatus();
}

}  // namespace

absl::Status VhostChannel::Send(uint32_t request, std::span<const std::byte> payload,
                                std::span<const int> fds, uint32_t flags) {
  const VhostUserHeader header{request, kVersion | flags, static_cast<uint32_t>(payload.size())};
  std::vector<std::byte> message(sizeof(header) + payload.size());
  std::memcpy(message.data(), &header, sizeof(header));
  if (!payload.empty()) {
    std::memcpy(message.data() + sizeof(header), payload.data(), payload.size());
  }
  return SendRaw(message, fds);
}

absl::Status VhostChannel::SendRaw(std::span<const std::byte> bytes, std::span<const int> fds) {
  while (!bytes.empty()) {
    RC_ASSIGN_OR_RETURN(const size_t taken, SendWithFds(socket_.get(), bytes, fds));
    bytes = bytes.subspan(taken);
    fds = {};
  }
  return absl::OkStatus();
}

absl::Status VhostChannel::ReceiveExactly(std::span<std::byte> out, std::vector<UniqueFd>* fds,
                                          std::chrono::milliseconds timeout) {
  while (!out.empty()) {
    RC_RETURN_IF_ERROR(WaitReadable(socket_.get(), timeout));
    absl::StatusOr<Received> received = ReceiveWithFds(socket_.get(), out, 8);
    if (absl::IsAborted(received.status()) || (received.ok() && received->size == 0)) {
      return absl::AbortedError("the backend closed the connection");
    }
    if (!received.ok()) return received.status();
    for (UniqueFd& fd : received->fds) fds->push_back(std::move(fd));
    out = out.subspan(received->size);
  }
  return absl::OkStatus();
}

absl::StatusOr<VhostReply> VhostChannel::Receive(std::chrono::milliseconds timeout) {
  VhostReply reply;
  std::array<std::byte, sizeof(VhostUserHeader)> header;
  RC_RETURN_IF_ERROR(ReceiveExactly(header, &reply.fds, timeout));
  std::memcpy(&reply.header, header.data(), header.size());
  if (reply.header.size > kMaxReplyBytes) {
    return absl::InternalError(absl::StrCat("a reply of ", reply.header.size, " bytes"));
  }
  reply.payload.resize(reply.header.size);
  RC_RETURN_IF_ERROR(ReceiveExactly(reply.payload, &reply.fds, timeout));
  return reply;
}

absl::StatusOr<VhostReply> VhostChannel::Call(uint32_t request, std::span<const std::byte> payload,
                                              std::span<const int> fds, uint32_t flags) {
  RC_RETURN_IF_ERROR(Send(request, payload, fds, flags));
  RC_ASSIGN_OR_RETURN(VhostReply reply, Receive());
  if (reply.header.request != request) {
    return absl::InternalError(
        absl::StrCat("request ", request, " was answered by request ", reply.header.request));
  }
  if ((reply.header.flags & 3) != kVersion || (reply.header.flags & kReply) == 0) {
    return absl::InternalError(
        absl::StrCat("reply flags ", reply.header.flags, " lack version 1 or the reply bit"));
  }
  return reply;
}

absl::StatusOr<uint64_t> VhostChannel::GetU64(uint32_t request) {
  RC_ASSIGN_OR_RETURN(const VhostReply reply, Call(request));
  uint64_t value = 0;
  if (reply.payload.size() != sizeof(value)) {
    return absl::InternalError(absl::StrCat("request ", request, " was answered with ",
                                            reply.payload.size(), " bytes instead of 8"));
  }
  std::memcpy(&value, reply.payload.data(), sizeof(value));
  return value;
}

absl::Status VhostChannel::SetU64(uint32_t request, uint64_t value, std::span<const int> fds) {
  return Send(request, BytesOf(value), fds);
}

absl::StatusOr<uint64_t> VhostChannel::CallForAck(uint32_t request,
                                                  std::span<const std::byte> payload,
                                                  std::span<const int> fds) {
  RC_ASSIGN_OR_RETURN(const VhostReply reply, Call(request, payload, fds, kNeedReply));
  uint64_t value = 0;
  if (reply.payload.size() != sizeof(value)) {
    return absl::InternalError(
        absl::StrCat("an acknowledgement of ", reply.payload.size(), " bytes"));
  }
  std::memcpy(&value, reply.payload.data(), sizeof(value));
  return value;
}

bool VhostChannel::ClosedWithin(std::chrono::milliseconds timeout) {
  const auto end = std::chrono::steady_clock::now() + timeout;
  std::array<std::byte, 4096> waste;
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !WaitReadable(socket_.get(), left).ok()) return false;
    const absl::StatusOr<Received> received = ReceiveWithFds(socket_.get(), waste, 8);
    if (!received.ok() || received->size == 0) return true;
  }
}

}  // namespace rendercar::frontend
