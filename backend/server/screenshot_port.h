// Answers who asks for what a head shows (common/screenshot_wire.h). Protocol thread.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/functional/any_invocable.h>

#include <cstdint>
#include <map>
#include <memory>

#include "backend/gpu/gpu_device.h"
#include "common/accept_watch.h"
#include "common/event_loop.h"
#include "common/unix_socket.h"

namespace rendercar::server {

// Only the own uid and root are answered. Never waits for a client: what it asks comes in one
// piece, the answer fits into a socket's buffer, and of too many the oldest is dropped.
class ScreenshotPort {
 public:
  using Done = absl::AnyInvocable<void(gpu::Screenshot)>;
  using Source = absl::AnyInvocable<void(uint32_t head, Done done)>;
  static constexpr size_t kMaxClients = 2;  // each may hold a copy of a picture

  // `source` is asked on the loop and may answer later, on the loop too.
  ScreenshotPort(EventLoop& loop, UnixListener listener, Source source);
  ~ScreenshotPort();
  ScreenshotPort(const ScreenshotPort&) = delete;
  ScreenshotPort& operator=(const ScreenshotPort&) = delete;

  int listener_fd() const { return listener_.fd(); }

 private:
  void OnConnection(UniqueFd socket);
  void OnReadable(uint64_t client);
  void Answer(uint64_t client, const gpu::Screenshot& shot);
  void Drop(uint64_t client);

  EventLoop& loop_;
  Source source_;
  UnixListener listener_;
  std::map<uint64_t, UniqueFd> clients_;  // oldest first
  uint64_t last_client_ = 0;
  std::shared_ptr<ScreenshotPort*> alive_;  // for answers that outlive this
  std::unique_ptr<AcceptWatch> watch_;
};

}  // namespace rendercar::server
