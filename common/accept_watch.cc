// Accepts a listener's connections on an event loop, also through a time without descriptors.
// SPDX-License-Identifier: Apache-2.0
#include "common/accept_watch.h"

#include <sys/epoll.h>

#include <utility>

#include "common/log.h"

namespace rendercar {
namespace {

log::RateLimit failed_limit;

}  // namespace

AcceptWatch::AcceptWatch(EventLoop& loop, UnixListener& listener, Handler on_connection)
    : loop_(loop), listener_(listener), on_connection_(std::move(on_connection)) {
  Watch();
}

AcceptWatch::~AcceptWatch() {
  *alive_ = false;
  loop_.Unwatch(listener_.fd());
}

void AcceptWatch::Watch() {
  loop_.Watch(listener_.fd(), EPOLLIN, [this](uint32_t) { Accept(); });
}

void AcceptWatch::Accept() {
  absl::StatusOr<UniqueFd> socket = listener_.Accept();
  if (socket.ok()) return on_connection_(*std::move(socket));
  if (absl::IsUnavailable(socket.status())) return;
  if (failed_limit.Allow()) {
    log::Error("cannot accept a connection; trying again in a second",
               {{"why", std::string(socket.status().message())}});
  }
  loop_.Unwatch(listener_.fd());
  loop_.PostAfter(kPause, [this, alive = alive_] {
    if (*alive) Watch();
  });
}

}  // namespace rendercar
