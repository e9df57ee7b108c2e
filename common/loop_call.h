// Asks the event loop from another thread and waits for the answer, with a deadline.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/functional/any_invocable.h>

#include <chrono>
#include <future>
#include <memory>
#include <utility>

#include "common/event_loop.h"
#include "common/status.h"

namespace rendercar {

template <typename T>
using Answer = absl::AnyInvocable<void(absl::StatusOr<T>)>;

// Runs `ask` on the loop; it, or what it sets off, calls its argument once with the answer. The
// answer may come after the deadline: it is dropped then, so `ask` must not refer to the caller's
// stack.
template <typename T>
absl::StatusOr<T> CallOnLoop(EventLoop& loop, std::chrono::system_clock::time_point deadline,
                             absl::AnyInvocable<void(Answer<T>)> ask) {
  auto promise = std::make_shared<std::promise<absl::StatusOr<T>>>();
  std::future<absl::StatusOr<T>> future = promise->get_future();
  loop.Post([ask = std::move(ask), promise]() mutable {
    ask([promise](absl::StatusOr<T> answer) { promise->set_value(std::move(answer)); });
  });
  if (future.wait_until(deadline) != std::future_status::ready)
    return absl::DeadlineExceededError("no answer in time; look at the log");
  return future.get();
}

}  // namespace rendercar
