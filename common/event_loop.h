// The event loop that every object of a process is given: five methods, so that a test can hand in
// virtual time.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/functional/any_invocable.h>

#include <chrono>
#include <cstdint>

namespace rendercar {

using Task = absl::AnyInvocable<void()>;
// `events` is a mask of EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR, ...
using FdHandler = absl::AnyInvocable<void(uint32_t events)>;

class EventLoop {
 public:
  virtual ~EventLoop() = default;

  // Runs `task` on the loop's thread, after what was posted before it. Any thread.
  virtual void Post(Task task) = 0;
  // The same, not before `delay` has passed. Any thread.
  virtual void PostAfter(std::chrono::nanoseconds delay, Task task) = 0;
  // Calls `handler` on the loop's thread while `fd` has one of `events`; watching again replaces
  // both. The descriptor stays the caller's, who must Unwatch before closing it. Loop thread only
  // (or before the loop runs).
  virtual void Watch(int fd, uint32_t events, FdHandler handler) = 0;
  // After it returns, the handler is not called again. Loop thread only.
  virtual void Unwatch(int fd) = 0;
  // Whether the caller is on the loop's thread.
  virtual bool IsCurrent() const = 0;
};

}  // namespace rendercar
