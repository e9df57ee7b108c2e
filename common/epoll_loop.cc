// The real event loop: epoll, an eventfd for posts, a heap of delayed tasks.
// SPDX-License-Identifier: Apache-2.0
#include "common/epoll_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <utility>

#include "common/status.h"

namespace rendercar {
namespace {

// What epoll keeps with a descriptor. The number alone does not tell whose an event is: a handler
// may close a descriptor and open another, which gets the same number, while the first one's event
// waits behind its own.
uint64_t Key(int fd, uint32_t generation) {
  return uint64_t{generation} << 32 | static_cast<uint32_t>(fd);
}

}  // namespace

EpollLoop::EpollLoop()
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  RC_CHECK(epoll_.valid() && wake_.valid(),
           "an event loop needs two descriptors; raise the open-files limit");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = Key(wake_.get(), 0);
  RC_CHECK(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) == 0,
           "epoll_ctl on an own eventfd");
}

EpollLoop::~EpollLoop() = default;

void EpollLoop::Post(Task task) {
  bool was_empty = false;
  {
    const std::lock_guard lock(mutex_);
    was_empty = posted_.empty();
    posted_.push_back(std::move(task));
  }
  // The loop's own thread looks at what is posted before it sleeps.
  if (was_empty && !IsCurrent()) Wake();
}

void EpollLoop::PostAfter(std::chrono::nanoseconds delay, Task task) {
  {
    const std::lock_guard lock(mutex_);
    timers_.push(Timer{Clock::now() + delay, next_order_++, std::move(task)});
  }
  if (!IsCurrent()) Wake();
}

void EpollLoop::Watch(int fd, uint32_t events, FdHandler handler) {
  auto watched = std::make_shared<Watched>();
  watched->handler = std::move(handler);
  watched->generation = next_generation_++;
  epoll_event event{};
  event.events = events;
  event.data.u64 = Key(fd, watched->generation);
  const auto found = watched_.find(fd);
  const int op = found == watched_.end() ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  if (found != watched_.end()) found->second->live = false;
  RC_CHECK(::epoll_ctl(epoll_.get(), op, fd, &event) == 0,
           "watching a descriptor that is closed or a plain file");
  watched_[fd] = std::move(watched);
}

void EpollLoop::Unwatch(int fd) {
  const auto found = watched_.find(fd);
  if (found == watched_.end()) return;
  found->second->live = false;
  watched_.erase(found);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

bool EpollLoop::IsCurrent() const {
  return thread_.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

void EpollLoop::Quit() {
  quit_.store(true);
  Wake();
}

void EpollLoop::Wake() {
  const uint64_t one = 1;
  // EAGAIN means that a wake-up is already pending.
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof(one));
}

void EpollLoop::Run() {
  thread_.store(std::this_thread::get_id());
  std::array<epoll_event, 32> events;
  while (!quit_.load()) {
    const int count =
        ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), TimeoutMs());
    RC_CHECK(count >= 0 || errno == EINTR, "epoll_wait failed");
    for (int i = 0; i < count && !quit_.load(); ++i) {
      Dispatch(events[static_cast<size_t>(i)].data.u64, events[static_cast<size_t>(i)].events);
    }
    RunPosted();
  }
  quit_.store(false);
  thread_.store(std::thread::id{});
}

void EpollLoop::Dispatch(uint64_t key, uint32_t events) {
  const auto fd = static_cast<int>(static_cast<uint32_t>(key));
  if (fd == wake_.get()) {
    uint64_t ignored = 0;
    [[maybe_unused]] const ssize_t got = ::read(fd, &ignored, sizeof(ignored));
    return;
  }
  const auto found = watched_.find(fd);
  if (found == watched_.end()) return;  // unwatched by a handler before it in this round
  const std::shared_ptr<Watched> watched = found->second;
  if (watched->live && key == Key(fd, watched->generation)) watched->handler(events);
}

int EpollLoop::TimeoutMs() {
  const std::lock_guard lock(mutex_);
  if (!posted_.empty()) return 0;
  if (timers_.empty()) return -1;
  const auto wait = timers_.top().due - Clock::now();
  if (wait <= Clock::duration::zero()) return 0;
  // Rounded up: waking a moment early would spin until the task is due.
  return static_cast<int>(
      std::min<int64_t>(std::chrono::ceil<std::chrono::milliseconds>(wait).count(), 60'000));
}

void EpollLoop::RunPosted() {
  std::deque<Task> ready;
  {
    const std::lock_guard lock(mutex_);
    if (posted_.empty() && timers_.empty()) return;
    ready.swap(posted_);
    const auto now = Clock::now();
    while (!timers_.empty() && timers_.top().due <= now) {
      ready.push_back(std::move(timers_.top().task));
      timers_.pop();
    }
  }
  while (!ready.empty() && !quit_.load()) {
    Task task = std::move(ready.front());
    ready.pop_front();
    task();
  }
  if (ready.empty()) return;
  // Kept for the next Run: somebody may be waiting for what a task holds.
  const std::lock_guard lock(mutex_);
  posted_.insert(posted_.begin(), std::make_move_iterator(ready.begin()),
                 std::make_move_iterator(ready.end()));
}

}  // namespace rendercar
