// Which fenced commands still wait for the GPU. Commands are cheap to add; one sync object stands
// for all that came since the last one, and is looked at inline before anything sleeps.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/functional/function_ref.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <vector>

#include "backend/render/virgl.h"
#include "common/unique_fd.h"

namespace rendercar::render {

// One thread, but for OnFence.
class FenceQueue {
 public:
  FenceQueue();

  // Before first use; `virgl` outlives this object.
  void Bind(Virgl* virgl) { virgl_ = virgl; }
  // virglrenderer's callback: everything up to `fence` is done. Any thread.
  void OnFence(uint32_t fence);

  // A fenced command.
  struct Fenced {
    uint64_t id = 0;
    gpu::RenderResult result = gpu::RenderResult::kOk;
  };
  // It was executed.
  void Add(const Fenced& fenced) { open_.push_back(fenced); }
  bool has_open() const { return !open_.empty(); }
  // Puts a sync behind the commands added so far. Waits for it while `idle()` says that there is
  // nothing better to do, at most `patience`; after that virglrenderer's thread waits for it.
  void Seal(std::chrono::microseconds patience, absl::FunctionRef<bool()> idle);
  // Tells of every command that is done, in order.
  void Retire(absl::FunctionRef<void(const Fenced&)> done);

  // Tells of every command that waits, done or not, and forgets them.
  void Abandon(absl::FunctionRef<void(const Fenced&)> left);

  // Nothing waits.
  bool empty() const { return open_.empty() && sealed_.empty(); }
  // Readable when Retire has something new to tell.
  int wake_fd() const { return wake_.get(); }
  void ClearWake();

 private:
  struct Sealed {
    std::vector<Fenced> commands;
    uint32_t fence = 0;  // virglrenderer's; 0: known to be done
  };
  bool Done(const Sealed& sealed) const;

  Virgl* virgl_ = nullptr;
  UniqueFd wake_;
  std::vector<Fenced> open_;
  std::deque<Sealed> sealed_;
  uint32_t last_fence_ = 0;  // a private sequence; the guest's own numbers never come here
  std::atomic<uint32_t> signaled_{0};
};

}  // namespace rendercar::render
