// One running renderer process, seen from the device: its rings, its control socket, what is in
// flight. Everything that comes from it is taken as hostile.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/ipc/completion_reader.h"
#include "backend/ipc/control.h"
#include "backend/ipc/in_flight.h"
#include "backend/ipc/records.h"
#include "backend/ipc/ring.h"
#include "common/children/process_host.h"

namespace rendercar::ipc {

class RendererLink {
 public:
  struct Options {
    std::vector<std::string> argv;
    size_t command_ring_bytes = size_t{4} << 20;
    size_t completion_ring_bytes = size_t{128} << 10;
    std::shared_ptr<ProcessHost> processes = std::make_shared<LocalProcessHost>();
  };
  // Spawns the process; comes back before it has set itself up.
  static absl::StatusOr<std::unique_ptr<RendererLink>> Start(const Options& options);

  // ResourceExhausted: no room now (OnDoorbell comes when there is), InvalidArgument: never,
  // DataLoss: the renderer broke its ring.
  absl::Status Write(const gpu::RenderCommand& command, gpu::Completion completion,
                     const gpu::Timeline& timeline, uint64_t token);
  absl::Status WriteInternal(RecordType type, uint64_t value);
  // Wakes the renderer if it sleeps.
  void Wake();

  // Takes what the renderer has written and appends it to `events`. DataLoss, in words, when it
  // wrote something impossible.
  absl::Status Collect(std::deque<LinkEvent>& events);
  // Sleeps until something may have come or the process has ended, at most until `deadline`. False:
  // too late.
  bool WaitUntil(std::chrono::steady_clock::time_point deadline) const;

  // For an event loop: doorbell edge-triggered (it is never read, so that nothing that a hostile
  // renderer does to it can block us), pidfd level-triggered.
  int doorbell() const { return doorbell_.get(); }
  int pidfd() const { return child_->pidfd(); }
  pid_t pid() const { return child_->pid(); }
  int control() const { return control_.get(); }

  bool ready() const { return completions_.ready(); }
  uint64_t memory_in_use() const { return completions_.memory_in_use(); }
  const InFlight& in_flight() const { return in_flight_; }
  // Room for a command of ordinary size, now.
  bool has_room();
  // Grows whenever the renderer gets something done.
  uint64_t progress() const { return commands_.head() + completions_.seen(); }
  // The context whose command it is executing now, or the oldest that waits; 0: unknown.
  uint32_t GuiltyContext() const;
  // Ends the process if need be, reaps it, and says how it ended. `kind` and `reason` are used
  // when it had to be killed. Completions that it still wrote go to `events`, then every token left
  // as kRendererDied. A process that survives SIGKILL for 2 s (code -1) is left behind.
  gpu::RendererDeath End(std::optional<gpu::RendererDeath> why, std::deque<LinkEvent>& events);

 private:
  RendererLink(RingProducer commands, CompletionReader completions)
      : commands_(std::move(commands)), completions_(std::move(completions)) {}
  absl::Status Spawn(const Options& options, int command_ring, int completion_ring);
  absl::Status WatchForWaiting();
  absl::Status CheckRoom(size_t size);
  // Finds the memory of the exports that are complete among `events` from the given one on.
  absl::Status TakeExports(std::deque<LinkEvent>& events, size_t first);
  gpu::RendererDeath Describe(const ChildEnd& end) const;

  RingProducer commands_;
  CompletionReader completions_;
  InFlight in_flight_;
  std::map<uint64_t, uint64_t> exports_;  // in flight: token -> record
  UniqueFd doorbell_;
  UniqueFd control_;
  UniqueFd waiting_;  // an epoll set of doorbell and pidfd
  std::unique_ptr<Child> child_;
};

}  // namespace rendercar::ipc
