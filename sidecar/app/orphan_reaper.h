// Reaps processes that fall to the sidecar because their parent died (it is PID 1 of its container,
// and a subreaper elsewhere): a dead backend's renderer, for one.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>

#include "common/event_loop.h"
#include "common/unique_fd.h"

namespace rendercar::sidecar {

class OrphanReaper {
 public:
  // `is_ours` tells children that have an owner, who reaps them. Blocks SIGCHLD, so before any
  // thread starts. `loop` outlives this object.
  OrphanReaper(EventLoop& loop, std::function<bool(pid_t)> is_ours);
  ~OrphanReaper();
  OrphanReaper(const OrphanReaper&) = delete;
  OrphanReaper& operator=(const OrphanReaper&) = delete;

 private:
  void Reap();

  EventLoop& loop_;
  const std::function<bool(pid_t)> is_ours_;
  UniqueFd signals_;
};

}  // namespace rendercar::sidecar
