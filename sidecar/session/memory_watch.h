// Ends the largest renderer before the kernel ends the whole container: on cgroup v2 a kubelet sets
// memory.oom.group, so that a container out of memory takes the VM's connection with it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "common/event_loop.h"
#include "sidecar/session/memory_use.h"
#include "sidecar/session/session_manager.h"

namespace rendercar::sidecar {

class MemoryWatch {
 public:
  struct Config {
    std::chrono::milliseconds interval{100};
    std::chrono::milliseconds rest{1'000};  // after a kill, for the memory to come back
    uint32_t percent = 90;                  // of the limit
    std::function<std::optional<MemoryUse>()> read = [] { return ReadMemoryUse(); };
  };
  // `loop` and `sessions` outlive this object. Loop thread only.
  MemoryWatch(EventLoop& loop, SessionManager& sessions, Config config);
  ~MemoryWatch() { *alive_ = false; }
  MemoryWatch(const MemoryWatch&) = delete;
  MemoryWatch& operator=(const MemoryWatch&) = delete;

 private:
  void Look();
  // Whether there was a renderer to end.
  bool Relieve(const MemoryUse& use);

  EventLoop& loop_;
  SessionManager& sessions_;
  const Config config_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace rendercar::sidecar
