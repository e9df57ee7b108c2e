// The display socket (vhost-user-gpu): whole messages out, replies in, and never a wait.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/functional/any_invocable.h>
#include <absl/functional/function_ref.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "backend/gpu/device_state.h"
#include "backend/wire/vhost_user_gpu.h"
#include "common/event_loop.h"
#include "common/stats_page.h"
#include "common/status.h"
#include "common/unique_fd.h"

namespace rendercar::gpu {

// Work thread only. The peer is untrusted: a reply that nobody asked for, or of a wrong shape, ends
// the connection.
class DisplayChannel {
 public:
  // The reply's payload, of just the size that the request has; empty when none will come (the
  // socket went away, or the peer skipped this request).
  using ReplyHandler = absl::AnyInvocable<void(std::span<const std::byte> payload)>;

  // `on_writable` is called when there is room again after Send had none.
  DisplayChannel(EventLoop& loop, StatsWriter& stats, absl::AnyInvocable<void()> on_writable);
  ~DisplayChannel();
  DisplayChannel(const DisplayChannel&) = delete;
  DisplayChannel& operator=(const DisplayChannel&) = delete;

  // Uses `socket` from now on (or none, when it is not valid). Replies still due are given up.
  void Replace(UniqueFd socket);
  bool connected() const { return socket_.valid(); }

  // Nothing is read or written between the two, and none of the other functions is called.
  void Freeze();
  void Thaw();
  // The connection of a frozen channel, for a successor.
  void Save(DisplayState& state, wire::LeftFds& fds) const;
  // In the successor, frozen: goes on with `socket`; `handler_of` gives the handler of each reply
  // that is due.
  absl::Status Restore(DisplayState& state, UniqueFd socket,
                       absl::FunctionRef<ReplyHandler(uint32_t request)> handler_of);

  // Sends one message: `payload`, then `pixels`. False, with nothing taken, when the socket has no
  // room for all of it or is gone.
  bool Send(uint32_t request, std::span<const std::byte> payload,
            std::span<const iovec> pixels = {});
  // The same with a descriptor beside it, and without pixels.
  bool SendWithFd(uint32_t request, std::span<const std::byte> payload, int fd);

  // Sends a request that has a reply, behind what is half sent. Handlers are called in the order of
  // the requests, never from inside this call, unless there is no socket or its peer owes
  // kMaxPendingReplies.
  void Request(uint32_t request, std::span<const std::byte> payload, ReplyHandler handler);

  // The most pixel bytes and rows that one message may have, so that it fits the socket's buffer.
  static constexpr size_t kMaxPixelBytes = size_t{64} << 10;
  static constexpr size_t kMaxPixelPieces = 512;
  static constexpr size_t kMaxPendingReplies = 4096;

 private:
  struct Pending {
    uint32_t request;
    ReplyHandler handler;
  };

  // What the kernel makes of the size that is wanted.
  static int SetSendBuffer(int socket);
  void OnEvents(uint32_t events);
  void UpdateWatch();
  bool HasRoomFor(size_t bytes);
  // Writes what it can; what is left over is kept in unsent_. False when the socket broke.
  bool Write(std::span<const iovec> parts, size_t total_bytes);
  bool FlushUnsent();
  void ReadReplies();
  bool TakeReplies();
  bool TakeReply(const wire::VhostUserGpuHeader& header, std::span<const std::byte> payload);
  void Break(const char* why, bool peer_misbehaved);

  EventLoop& loop_;
  StatsWriter& stats_;
  absl::AnyInvocable<void()> on_writable_;
  UniqueFd socket_;
  int send_buffer_bytes_ = 0;
  bool frozen_ = false;
  bool want_writable_ = false;
  uint32_t watched_events_ = 0;

  std::vector<std::byte> unsent_;  // the rest of a message that is half sent, and small requests
  std::deque<Pending> pending_;
  std::array<std::byte, wire::kMaxDisplayReplyBytes> received_{};
  size_t received_bytes_ = 0;
};

}  // namespace rendercar::gpu
