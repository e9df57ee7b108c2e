// The display socket.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/display_channel.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "common/log.h"
#include "common/unix_socket.h"

namespace rendercar::gpu {
namespace {

// QEMU's main loop serves the socket before all else, as long as there is something in it: what
// lies there is how long its monitor waits. One large message and a bit: with 64 KiB QMP's p99
// beside a guest that redraws 1080p is a third of that with 4 MiB, at the same frames a second
// (`make bench-vm`). The kernel doubles the number for its own bookkeeping.
constexpr int kSendBuffer = 64 << 10;

constexpr size_t kMaxMessageWithFd = 64;

// What `bytes` of a message count in a send buffer: the kernel's own bookkeeping is in it.
size_t Cost(size_t bytes) { return bytes + bytes / 8 + 4096; }

}  // namespace

int DisplayChannel::SetSendBuffer(int socket) {
  ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof(kSendBuffer));
  int size = 0;
  socklen_t length = sizeof(size);
  ::getsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, &length);
  return size;
}

DisplayChannel::DisplayChannel(EventLoop& loop, StatsWriter& stats,
                               absl::AnyInvocable<void()> on_writable)
    : loop_(loop), stats_(stats), on_writable_(std::move(on_writable)) {}

DisplayChannel::~DisplayChannel() {
  if (socket_.valid()) loop_.Unwatch(socket_.get());
}

void DisplayChannel::Replace(UniqueFd socket) {
  if (socket_.valid()) loop_.Unwatch(socket_.get());
  socket_ = std::move(socket);
  unsent_.clear();
  received_bytes_ = 0;
  want_writable_ = false;
  watched_events_ = 0;
  for (Pending& pending : std::exchange(pending_, {})) pending.handler({});
  if (!socket_.valid()) return;
  const int flags = ::fcntl(socket_.get(), F_GETFL);
  if (flags < 0 || ::fcntl(socket_.get(), F_SETFL, flags | O_NONBLOCK) != 0)
    return Break("cannot make the display socket non-blocking", false);
  send_buffer_bytes_ = SetSendBuffer(socket_.get());
  UpdateWatch();
}

void DisplayChannel::UpdateWatch() {
  const uint32_t events = EPOLLIN | (want_writable_ || !unsent_.empty() ? uint32_t{EPOLLOUT} : 0u);
  if (!socket_.valid() || frozen_ || events == watched_events_) return;
  watched_events_ = events;
  loop_.Watch(socket_.get(), events, [this](uint32_t happened) { OnEvents(happened); });
}

void DisplayChannel::OnEvents(uint32_t events) {
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) ReadReplies();
  if (!socket_.valid() || (events & EPOLLOUT) == 0) return;
  if (!FlushUnsent()) return;
  want_writable_ = false;
  on_writable_();
  UpdateWatch();
}

bool DisplayChannel::HasRoomFor(size_t bytes) {
  int queued = 0;
  if (::ioctl(socket_.get(), SIOCOUTQ, &queued) != 0) return true;
  // An empty socket takes anything: a message larger than the buffer goes in pieces.
  return queued == 0 ||
         static_cast<size_t>(queued) + Cost(bytes) <= static_cast<size_t>(send_buffer_bytes_);
}

bool DisplayChannel::Send(uint32_t request, std::span<const std::byte> payload,
                          std::span<const iovec> pixels) {
  if (!socket_.valid()) return false;
  size_t size = payload.size();
  for (const iovec& piece : pixels) size += piece.iov_len;
  if (!unsent_.empty() || !HasRoomFor(size)) {
    want_writable_ = true;
    UpdateWatch();
    return false;
  }
  wire::VhostUserGpuHeader header{request, 0, static_cast<uint32_t>(size)};
  std::array<iovec, kMaxPixelPieces + 2> parts;
  RC_CHECK(pixels.size() <= kMaxPixelPieces, "too many pieces in a display message");
  parts[0] = {&header, sizeof(header)};
  parts[1] = {const_cast<std::byte*>(payload.data()), payload.size()};
  std::copy(pixels.begin(), pixels.end(), parts.begin() + 2);
  return Write(std::span(parts).first(pixels.size() + 2), sizeof(header) + size);
}

bool DisplayChannel::SendWithFd(uint32_t request, std::span<const std::byte> payload, int fd) {
  if (!socket_.valid()) return false;
  const wire::VhostUserGpuHeader header{request, 0, static_cast<uint32_t>(payload.size())};
  std::array<std::byte, kMaxMessageWithFd> bytes;
  RC_CHECK(sizeof(header) + payload.size() <= bytes.size(), "a display message of unknown size");
  std::memcpy(bytes.data(), &header, sizeof(header));
  std::copy(payload.begin(), payload.end(), bytes.begin() + sizeof(header));
  const auto message = std::span(bytes).first(sizeof(header) + payload.size());
  if (unsent_.empty() && HasRoomFor(message.size())) {
    const auto sent = SendWithFds(socket_.get(), message, {&fd, 1});
    // The descriptor goes with the first byte.
    if (sent.ok()) {
      unsent_.insert(unsent_.end(), message.begin() + static_cast<ptrdiff_t>(*sent), message.end());
      UpdateWatch();
      return true;
    }
    if (!absl::IsUnavailable(sent.status())) {
      Break("the display socket's other side is gone", false);
      return false;
    }
  }
  want_writable_ = true;
  UpdateWatch();
  return false;
}

bool DisplayChannel::Write(std::span<const iovec> parts, size_t total_bytes) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
      Break("the display socket's other side is gone", false);
      return false;
    }
    sent = 0;
  }
  auto skip = static_cast<size_t>(sent);
  if (skip == total_bytes) return true;
  for (const iovec& part : parts) {
    const size_t skipped = std::min(skip, part.iov_len);
    const auto* bytes = static_cast<const std::byte*>(part.iov_base);
    unsent_.insert(unsent_.end(), bytes + skipped, bytes + part.iov_len);
    skip -= skipped;
  }
  UpdateWatch();
  return true;
}

bool DisplayChannel::FlushUnsent() {
  if (unsent_.empty()) return true;
  const ssize_t sent =
      ::send(socket_.get(), unsent_.data(), unsent_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
      Break("the display socket's other side is gone", false);
    return false;
  }
  unsent_.erase(unsent_.begin(), unsent_.begin() + sent);
  return unsent_.empty();
}

void DisplayChannel::Request(uint32_t request, std::span<const std::byte> payload,
                             ReplyHandler handler) {
  if (!socket_.valid() || pending_.size() >= kMaxPendingReplies) return handler({});
  pending_.push_back({request, std::move(handler)});
  const wire::VhostUserGpuHeader header{request, 0, static_cast<uint32_t>(payload.size())};
  const auto bytes = std::as_bytes(std::span(&header, 1));
  unsent_.insert(unsent_.end(), bytes.begin(), bytes.end());
  unsent_.insert(unsent_.end(), payload.begin(), payload.end());
  // Errors are found by the loop, so that no handler runs from inside this call.
  const ssize_t sent =
      ::send(socket_.get(), unsent_.data(), unsent_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent > 0) unsent_.erase(unsent_.begin(), unsent_.begin() + sent);
  UpdateWatch();
}

void DisplayChannel::ReadReplies() {
  // A few each time, so that a peer that never stops talking cannot keep the loop.
  for (int i = 0; i < 16 && socket_.valid(); ++i) {
    const auto room = std::span(received_).subspan(received_bytes_);
    const ssize_t got = ::recv(socket_.get(), room.data(), room.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
    if (got <= 0) return Break("the display socket's other side is gone", false);
    received_bytes_ += static_cast<size_t>(got);
    if (!TakeReplies()) return;
  }
}

bool DisplayChannel::TakeReplies() {
  while (received_bytes_ >= sizeof(wire::VhostUserGpuHeader)) {
    wire::VhostUserGpuHeader header;
    std::memcpy(&header, received_.data(), sizeof(header));
    if (!wire::IsReply(header)) {
      Break("a display message that is no reply", true);
      return false;
    }
    const size_t whole = sizeof(header) + header.size;
    if (received_bytes_ < whole) return true;
    // The handler may replace the socket: take the bytes out before it runs.
    std::array<std::byte, wire::kMaxDisplayReplyBytes> reply;
    std::memcpy(reply.data(), received_.data(), whole);
    received_bytes_ -= whole;
    std::memmove(received_.data(), received_.data() + whole, received_bytes_);
    if (!TakeReply(header, std::span(reply).subspan(sizeof(header), header.size))) return false;
  }
  return true;
}

bool DisplayChannel::TakeReply(const wire::VhostUserGpuHeader& header,
                               std::span<const std::byte> payload) {
  // QEMU answers in order but skips GET_EDID for a scanout that it does not have.
  while (!pending_.empty() && pending_.front().request != header.request &&
         pending_.front().request == wire::VHOST_USER_GPU_GET_EDID) {
    Pending skipped = std::move(pending_.front());
    pending_.pop_front();
    skipped.handler({});
  }
  if (pending_.empty() || pending_.front().request != header.request) {
    Break("a display reply that nobody asked for", true);
    return false;
  }
  Pending answered = std::move(pending_.front());
  pending_.pop_front();
  answered.handler(payload);
  return socket_.valid();
}

void DisplayChannel::Break(const char* why, bool peer_misbehaved) {
  if (peer_misbehaved) {
    stats_.CountError(StatsError::kDisplayProtocol);
    log::Warning("display socket closed: the frontend broke the protocol", {{"reason", why}});
  } else {
    log::Info("display socket closed", {{"reason", why}});
  }
  Replace(UniqueFd());
}

}  // namespace rendercar::gpu
