// Tells when files appear in a directory or leave it, by inotify, also when the directory itself
// goes and comes back.
// SPDX-License-Identifier: Apache-2.0
#include "node/directory_watch.h"

#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <utility>

namespace rendercar::node {

DirectoryWatch::DirectoryWatch(EventLoop& loop, std::string directory, Handler handler)
    : loop_(loop), directory_(std::move(directory)), handler_(std::move(handler)) {
  Attach();
}

DirectoryWatch::~DirectoryWatch() { Detach(); }

void DirectoryWatch::Attach() {
  UniqueFd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  const uint32_t mask = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE |
                        IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
  if (!inotify.valid() || ::inotify_add_watch(inotify.get(), directory_.c_str(), mask) < 0) {
    loop_.PostAfter(kRetry, [this, alive = std::weak_ptr<bool>(alive_)] {
      if (alive.expired()) return;
      Attach();
      if (inotify_.valid()) handler_(FileEvent::kUnknown, "");
    });
    return;
  }
  inotify_ = std::move(inotify);
  loop_.Watch(inotify_.get(), EPOLLIN, [this](uint32_t) { Read(); });
}

void DirectoryWatch::Detach() {
  if (!inotify_.valid()) return;
  loop_.Unwatch(inotify_.get());
  inotify_.Reset();
}

void DirectoryWatch::Read() {
  alignas(inotify_event) std::array<char, 16384> buffer;
  const ssize_t got = ::read(inotify_.get(), buffer.data(), buffer.size());
  const std::weak_ptr<bool> alive = alive_;
  for (size_t at = 0; got > 0 && at < static_cast<size_t>(got) && !alive.expired();) {
    inotify_event event;
    std::memcpy(&event, buffer.data() + at, sizeof(event));
    const char* name = buffer.data() + at + sizeof(event);
    at += sizeof(event) + event.len;
    Handle(event.mask, event.len > 0 ? std::string(name) : std::string());
  }
}

void DirectoryWatch::Handle(uint32_t mask, const std::string& name) {
  if ((mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) != 0) {
    if (!inotify_.valid()) return;
    Detach();
    Attach();
    handler_(FileEvent::kUnknown, "");
  } else if ((mask & IN_Q_OVERFLOW) != 0) {
    handler_(FileEvent::kUnknown, "");
  } else if ((mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
    handler_(FileEvent::kAppeared, name);
  } else if ((mask & (IN_DELETE | IN_MOVED_FROM)) != 0) {
    handler_(FileEvent::kGone, name);
  } else {
    handler_(FileEvent::kChanged, name);
  }
}

}  // namespace rendercar::node
