// Accepts a listener's connections on an event loop, also through a time without descriptors.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/functional/any_invocable.h>

#include <chrono>
#include <memory>

#include "common/event_loop.h"
#include "common/unix_socket.h"

namespace rendercar {

// When the process has no descriptor left, the connection that cannot be accepted stays there and a
// level-triggered loop would spin on it: accepting then pauses, which is logged. Loop thread only.
class AcceptWatch {
 public:
  using Handler = absl::AnyInvocable<void(UniqueFd socket)>;
  static constexpr std::chrono::seconds kPause{1};

  // Both are borrowed and outlive this object. The handler does not destroy it.
  AcceptWatch(EventLoop& loop, UnixListener& listener, Handler on_connection);
  ~AcceptWatch();
  AcceptWatch(const AcceptWatch&) = delete;
  AcceptWatch& operator=(const AcceptWatch&) = delete;

 private:
  void Watch();
  void Accept();

  EventLoop& loop_;
  UnixListener& listener_;
  Handler on_connection_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace rendercar
