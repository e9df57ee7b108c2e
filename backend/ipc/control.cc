// The control socket beside the rings.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/control.h"

#include <sys/socket.h>

#include <algorithm>

#include "common/unix_socket.h"

namespace rendercar::ipc {
namespace {

absl::Status Send(int socket, const ControlMessage& message, std::span<const int> fds) {
  return SendWithFds(socket, std::as_bytes(std::span(&message, 1)), fds).status();
}

ControlMessage Message(ControlKind kind, uint64_t id) {
  ControlMessage message;
  message.kind = static_cast<uint32_t>(kind);
  message.id = id;
  return message;
}

}  // namespace

absl::Status SendWake(int socket) {
  // Wakes are one number, so that a thousand of them fit where one table would.
  const auto kind = static_cast<uint32_t>(ControlKind::kWake);
  return SendWithFds(socket, std::as_bytes(std::span(&kind, 1)), {}).status();
}

absl::Status SendMemory(int socket, uint64_t generation, const guest::GuestMemory& memory) {
  const std::vector<guest::Region>& regions = memory.regions();
  for (size_t first = 0; first < regions.size(); first += kRegionsPerMessage) {
    ControlMessage message = Message(ControlKind::kMemory, generation);
    std::vector<int> fds;
    for (size_t i = first; i < std::min(first + kRegionsPerMessage, regions.size()); ++i) {
      const guest::Region& r = regions[i];
      message.regions[message.count++] = {r.guest_addr(), r.size_bytes(), r.user_addr(),
                                          r.mmap_offset()};
      fds.push_back(r.fd());
    }
    RC_RETURN_IF_ERROR(Send(socket, message, fds));
  }
  return absl::OkStatus();
}

absl::Status SendPixels(int socket, uint32_t id, uint64_t size_bytes, int fd) {
  ControlMessage message = Message(ControlKind::kPixels, id);
  message.size_bytes = size_bytes;
  return Send(socket, message, {&fd, 1});
}

absl::Status ControlInbox::Receive() {
  for (;;) {
    ControlMessage message;
    auto received = ReceiveWithFds(socket_.get(), std::as_writable_bytes(std::span(&message, 1)),
                                   kRegionsPerMessage, MSG_DONTWAIT);
    if (absl::IsUnavailable(received.status())) return absl::OkStatus();
    if (!received.ok()) return received.status();
    if (received->size == 0) return absl::AbortedError("the device process closed the socket");
    if (received->size == sizeof(message.kind) &&
        message.kind == static_cast<uint32_t>(ControlKind::kWake)) {
      continue;
    }
    if (received->size != sizeof(message))
      return absl::InvalidArgumentError("a control message has a wrong size");
    RC_RETURN_IF_ERROR(Accept(message, std::move(received->fds)));
  }
}

absl::Status ControlInbox::Accept(const ControlMessage& message, std::vector<UniqueFd> fds) {
  if (message.kind == static_cast<uint32_t>(ControlKind::kPixels) && fds.size() == 1) {
    pixels_.push_back({message.id, message.size_bytes, std::move(fds[0])});
    return absl::OkStatus();
  }
  if (message.kind == static_cast<uint32_t>(ControlKind::kMemory) && fds.size() == message.count &&
      message.count <= kRegionsPerMessage) {
    for (size_t i = 0; i < fds.size(); ++i) {
      const ControlRegion& r = message.regions[i];
      regions_.push_back(
          {message.id,
           {r.guest_addr, r.size_bytes, r.user_addr, r.mmap_offset, std::move(fds[i])}});
    }
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("a control message of kind ", message.kind, " is malformed"));
}

std::vector<guest::RegionDescription> ControlInbox::TakeMemory(uint64_t generation) {
  std::vector<guest::RegionDescription> taken;
  for (Arrived& arrived : regions_) {
    if (arrived.generation == generation) taken.push_back(std::move(arrived.region));
  }
  std::erase_if(regions_, [&](const Arrived& a) { return a.generation <= generation; });
  return taken;
}

absl::StatusOr<ControlInbox::Pixels> ControlInbox::TakePixels(uint64_t id) {
  const auto found =
      std::find_if(pixels_.begin(), pixels_.end(), [&](const Pixels& p) { return p.id == id; });
  if (found == pixels_.end())
    return absl::NotFoundError(absl::StrCat("no shared pixels ", id, " have come"));
  Pixels taken = std::move(*found);
  pixels_.erase(found);
  return taken;
}

}  // namespace rendercar::ipc
