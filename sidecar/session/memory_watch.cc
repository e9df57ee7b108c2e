// Ends the largest renderer before the kernel ends the whole container.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/session/memory_watch.h"

#include <string>
#include <utility>

namespace rendercar::sidecar {

MemoryWatch::MemoryWatch(EventLoop& loop, SessionManager& sessions, Config config)
    : loop_(loop), sessions_(sessions), config_(std::move(config)) {
  loop_.Post([this, alive = alive_] {
    if (*alive) Look();
  });
}

void MemoryWatch::Look() {
  const std::optional<MemoryUse> use = config_.read();
  const bool high = use && use->used_bytes / 100 >= use->limit_bytes / 10'000 * config_.percent;
  const bool relieved = high && Relieve(*use);
  loop_.PostAfter(relieved ? config_.rest : config_.interval, [this, alive = alive_] {
    if (*alive) Look();
  });
}

bool MemoryWatch::Relieve(const MemoryUse& use) {
  RendererProcess largest;
  std::string session;
  for (const SessionView& view : sessions_.List()) {
    if (view.backend_pid == 0) continue;
    for (const RendererProcess& renderer : FindRenderers(view.backend_pid)) {
      if (renderer.memory_bytes < largest.memory_bytes) continue;
      largest = renderer;
      session = view.spec.name;
    }
  }
  if (session.empty() || !KillRenderer(largest.pid)) return false;
  sessions_.NoteMemoryKill(session, largest.pid, use);
  return true;
}

}  // namespace rendercar::sidecar
