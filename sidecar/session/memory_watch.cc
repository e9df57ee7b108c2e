// Ends the largest renderer before the kernel ends the whole container.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/session/memory_watch.h"

#include <utility>

namespace rendercar::sidecar {

MemoryWatch::MemoryWatch(EventLoop& loop, List list, OnKill on_kill, Config config)
    : loop_(loop),
      list_(std::move(list)),
      on_kill_(std::move(on_kill)),
      config_(std::move(config)) {
  loop_.Post([this, alive = alive_] {
    if (*alive) Look();
  });
}

void MemoryWatch::Look() {
  const std::optional<MemoryUse> use = config_.read();
  const bool high = use && use->used_bytes / 100 >= use->limit_bytes / 10'000 * config_.percent;
  const bool relieved = high && Relieve(*use);
  std::chrono::milliseconds pause = relieved ? config_.rest : config_.interval;
  if (!use) pause = config_.unlimited;
  loop_.PostAfter(pause, [this, alive = alive_] {
    if (*alive) Look();
  });
}

bool MemoryWatch::Relieve(const MemoryUse& use) {
  RendererProcess largest;
  std::string session;
  for (const SessionView& view : list_()) {
    if (view.backend_pid == 0) continue;
    for (const RendererProcess& renderer : FindRenderers(view.backend_pid)) {
      if (renderer.memory_bytes < largest.memory_bytes) continue;
      largest = renderer;
      session = view.spec.name;
    }
  }
  if (session.empty() || !KillRenderer(largest.pid)) return false;
  on_kill_(session, largest.pid, use);
  return true;
}

}  // namespace rendercar::sidecar
