// Ends the largest renderer before the kernel ends the whole container: on cgroup v2 a kubelet sets
// memory.oom.group, so that a container out of memory takes the VM's connection with it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/event_loop.h"
#include "sidecar/session/memory_use.h"
#include "sidecar/session/session.h"

namespace rendercar::sidecar {

class MemoryWatch {
 public:
  struct Config {
    std::chrono::milliseconds interval{100};
    std::chrono::milliseconds rest{1'000};  // after a kill, for the memory to come back
    std::chrono::seconds unlimited{10};     // while there is no limit; one may be set
    uint32_t percent = 90;                  // of the limit
    std::function<std::optional<MemoryUse>()> read = [] { return ReadMemoryUse(); };
  };
  // Those whose renderers count, and what is told when one was ended.
  using List = std::function<std::vector<SessionView>()>;
  using OnKill =
      std::function<void(const std::string& session, pid_t renderer, const MemoryUse& use)>;
  // `loop` outlives this object. Loop thread only, the functions too.
  MemoryWatch(EventLoop& loop, List list, OnKill on_kill, Config config);
  ~MemoryWatch() { *alive_ = false; }
  MemoryWatch(const MemoryWatch&) = delete;
  MemoryWatch& operator=(const MemoryWatch&) = delete;

 private:
  void Look();
  // Whether there was a renderer to end.
  bool Relieve(const MemoryUse& use);

  EventLoop& loop_;
  const List list_;
  const OnKill on_kill_;
  const Config config_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace rendercar::sidecar
