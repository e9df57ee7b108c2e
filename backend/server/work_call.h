// Runs something on another thread's loop and waits for its result, with a bound.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "common/event_loop.h"

namespace rendercar::server {

// nullopt when `work` has not ended within `bound`; it may still run then, so it must own all that
// it uses. T is the value that `work` gives.
template <typename Work>
auto RunAndWait(EventLoop& loop, std::chrono::milliseconds bound, Work work)
    -> std::optional<decltype(work())> {
  struct Result {
    std::mutex mutex;
    std::condition_variable there;
    std::optional<decltype(work())> value;
  };
  auto result = std::make_shared<Result>();
  loop.Post([result, work = std::move(work)]() mutable {
    auto value = work();
    const std::lock_guard lock(result->mutex);
    result->value = std::move(value);
    result->there.notify_one();
  });
  std::unique_lock lock(result->mutex);
  result->there.wait_for(lock, bound, [&] { return result->value.has_value(); });
  return std::move(result->value);
}

}  // namespace rendercar::server
