// SIGHUP as an event on the loop.
// SPDX-License-Identifier: Apache-2.0
#include "node/hangup_signal.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <utility>

#include "common/status.h"

namespace rendercar::node {

HangupSignal::HangupSignal(EventLoop& loop, Task handler) : loop_(loop) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  fd_.Reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  RC_CHECK(fd_.valid(), "signalfd; raise the open-files limit");
  loop_.Watch(fd_.get(), EPOLLIN, [fd = fd_.get(), handler = std::move(handler)](uint32_t) mutable {
    signalfd_siginfo info{};
    if (::read(fd, &info, sizeof(info)) == sizeof(info)) handler();
  });
}

HangupSignal::~HangupSignal() { loop_.Unwatch(fd_.get()); }

}  // namespace rendercar::node
