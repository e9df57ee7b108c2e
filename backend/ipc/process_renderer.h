// The renderer of a session as a process of its own: starts rendercar-renderer when 3D is first
// used, hands commands over, watches it, and lives through its death.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/gpu/renderer.h"
#include "backend/ipc/renderer_link.h"
#include "backend/ipc/restart_policy.h"
#include "common/event_loop.h"
#include "common/stats_page.h"

namespace rendercar::ipc {

// All methods on the loop's thread, the device's work thread.
class ProcessRenderer final : public gpu::Renderer {
 public:
  struct Options {
    RendererLink::Options link;  // argv and ring sizes; RendererArgv() makes the argv
    RestartPolicy::Options restart;
    std::chrono::milliseconds watchdog{10'000};  // a command that takes longer hangs
    std::chrono::milliseconds memory_wait{100};  // for the acknowledgement of a memory table
    StatsWriter* stats = nullptr;                // may be null
    // Command lines for other render nodes, in this order, should the one of `link` be gone for
    // good. The guest must have been promised no more than all of them can do.
    std::vector<std::vector<std::string>> failover = {};
  };

  ProcessRenderer(EventLoop& loop, Options options);
  ~ProcessRenderer() override;

  void SetClient(gpu::RendererClient* client) override { client_ = client; }
  absl::Status Start() override;
  bool running() const override { return link_ != nullptr; }
  bool looks_for_commands() const override { return running(); }
  bool busy() override;
  bool off() const override { return policy_.off(); }
  void SetMemory(std::shared_ptr<const guest::GuestMemory> memory) override;
  absl::StatusOr<std::unique_ptr<gpu::SharedPixels>> AllocatePixels(size_t size_bytes) override;
  absl::Status Submit(const gpu::RenderCommand& command, gpu::Completion completion,
                      const gpu::Timeline& timeline, uint64_t token) override;
  void Flush() override;
  // Ends the process: nothing of one guest boot is left for the next. Completions are delivered
  // before it returns.
  void Reset() override;
  void Quiesce(int timeout_ms) override;
  gpu::RendererHistory history() const override;
  void Remember(const gpu::RendererHistory& history) override;

  // The process, for tests and the log; -1 when none runs.
  pid_t pid() const { return running() ? link_->pid() : -1; }

 private:
  class Pixels;
  struct PixelMemory {
    UniqueFd fd;
    size_t size_bytes = 0;
  };

  void Watch();
  absl::Status SendState();
  absl::Status SendTable();
  void OnDoorbell();
  void OnExit();
  // Takes what came; false: the renderer broke the protocol and was ended.
  bool Collect();
  // Whether the renderer came to its end by what it did, or because we could not wait for it.
  enum class Cause { kItself, kOurHurry };
  // Ends the renderer; `why` when it is to be killed.
  void End(std::optional<gpu::RendererDeath> why, Cause cause = Cause::kItself);
  void EndBroken(const absl::Status& status);
  // Whether the render node is gone, and what then.
  void NoteNode(const gpu::RendererDeath& death);
  void Report(const gpu::RendererDeath& death);
  bool MoveToNextNode();
  void Dispatch();
  void PostDispatch();
  void SendDeferred();
  void DropPixels(uint32_t id);
  void ArmWatchdog();
  void CheckWatchdog();
  bool AwaitMemory();
  void Count(StatsValue value);

  EventLoop& loop_;
  Options options_;  // link and failover change with the render node
  gpu::RendererClient* client_ = nullptr;
  // So many starts in a row that do not find it: a reset may take it away for a moment.
  static constexpr int kNodeFailures = 3;
  int node_failures_ = 0;
  uint32_t failovers_ = 0;
  RestartPolicy policy_;
  std::unique_ptr<RendererLink> link_;
  std::deque<LinkEvent> events_;  // for the client, in order
  bool wants_room_ = false;       // OnWritable is owed

  std::shared_ptr<const guest::GuestMemory> memory_;
  uint64_t generation_ = 0;
  std::map<uint32_t, PixelMemory> pixels_;
  uint32_t next_pixels_id_ = 1;
  // Records of our own that found no room; they go before any other command.
  std::deque<std::pair<RecordType, uint64_t>> deferred_;

  bool watchdog_armed_ = false;
  uint64_t watchdog_progress_ = 0;
  std::chrono::steady_clock::time_point watchdog_since_{};
  // Posted tasks and pixels that outlive this object look here.
  std::shared_ptr<ProcessRenderer*> self_ = std::make_shared<ProcessRenderer*>(this);
};

}  // namespace rendercar::ipc
