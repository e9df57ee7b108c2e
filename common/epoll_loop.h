// The real event loop: epoll, an eventfd for posts, a heap of delayed tasks.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <queue>
#include <thread>
#include <unordered_map>
#include <vector>

#include "common/event_loop.h"
#include "common/unique_fd.h"

namespace rendercar {

class EpollLoop final : public EventLoop {
 public:
  EpollLoop();
  ~EpollLoop() override;

  void Post(Task task) override;
  void PostAfter(std::chrono::nanoseconds delay, Task task) override;
  void Watch(int fd, uint32_t events, FdHandler handler) override;
  void Unwatch(int fd) override;
  bool IsCurrent() const override;

  // Runs on the calling thread until Quit; may be called again afterwards.
  void Run();
  // Makes Run return after the task or handler in progress. Any thread.
  void Quit();

 private:
  using Clock = std::chrono::steady_clock;
  struct Timer {
    Clock::time_point due;
    uint64_t order;
    mutable Task task;
    bool operator>(const Timer& other) const {
      return due != other.due ? due > other.due : order > other.order;
    }
  };
  // Shared, so that a handler that unwatches itself stays alive until it returns.
  struct Watched {
    FdHandler handler;
    uint32_t generation = 0;
    bool live = true;
  };

  void Wake();
  void RunPosted();
  int TimeoutMs();
  void Dispatch(uint64_t key, uint32_t events);

  UniqueFd epoll_;
  UniqueFd wake_;
  std::atomic<std::thread::id> thread_;
  std::atomic<bool> quit_{false};
  std::unordered_map<int, std::shared_ptr<Watched>> watched_;
  uint32_t next_generation_ = 1;

  std::mutex mutex_;
  std::deque<Task> posted_;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
  uint64_t next_order_ = 0;
};

}  // namespace rendercar
