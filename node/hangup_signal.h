// SIGHUP as an event on the loop.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/event_loop.h"
#include "common/unique_fd.h"

namespace rendercar::node {

// Blocks SIGHUP in this and all later threads, so it is made before any thread starts.
class HangupSignal {
 public:
  HangupSignal(EventLoop& loop, Task handler);
  ~HangupSignal();
  HangupSignal(const HangupSignal&) = delete;
  HangupSignal& operator=(const HangupSignal&) = delete;

 private:
  EventLoop& loop_;
  UniqueFd fd_;
};

}  // namespace rendercar::node
