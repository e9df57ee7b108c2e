// An event loop for tests: virtual time, one thread, nothing runs until the test says so.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "common/event_loop.h"

namespace rendercar {

class FakeLoop final : public EventLoop {
 public:
  void Post(Task task) override { posted_.push_back(std::move(task)); }
  void PostAfter(std::chrono::nanoseconds delay, Task task) override {
    timers_.emplace(now_ + delay, std::move(task));
  }
  void Watch(int fd, uint32_t events, FdHandler handler) override {
    watched_[fd] = {events, std::move(handler)};
  }
  void Unwatch(int fd) override { watched_.erase(fd); }
  bool IsCurrent() const override { return true; }

  // Runs what is posted, and what that posts, until nothing is left.
  void RunPosted() {
    while (!posted_.empty()) {
      Task task = std::move(posted_.front());
      posted_.pop_front();
      task();
    }
  }
  // Moves time forward and runs each delayed task at its moment.
  void Advance(std::chrono::nanoseconds by) {
    const auto end = now_ + by;
    RunPosted();
    while (!timers_.empty() && timers_.begin()->first <= end) {
      auto node = timers_.extract(timers_.begin());
      now_ = node.key();
      node.mapped()();
      RunPosted();
    }
    now_ = end;
  }
  // Tells the handler of `fd` that `events` happened; false when nobody watches it for them.
  bool Fire(int fd, uint32_t events) {
    const auto found = watched_.find(fd);
    if (found == watched_.end() || (found->second.first & events) == 0) return false;
    found->second.second(events);
    return true;
  }
  std::vector<int> Watched() const {
    std::vector<int> fds;
    for (const auto& [fd, watched] : watched_) fds.push_back(fd);
    return fds;
  }
  bool IsWatched(int fd) const { return watched_.count(fd) != 0; }
  uint32_t WatchedEvents(int fd) const {
    const auto found = watched_.find(fd);
    return found == watched_.end() ? 0 : found->second.first;
  }
  std::chrono::nanoseconds now() const { return now_; }

 private:
  std::chrono::nanoseconds now_{0};
  std::deque<Task> posted_;
  std::multimap<std::chrono::nanoseconds, Task> timers_;
  std::map<int, std::pair<uint32_t, FdHandler>> watched_;
};

}  // namespace rendercar
