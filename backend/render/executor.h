// Executes render commands with virglrenderer: the same code in the renderer process and
// in-process.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "backend/gpu/renderer.h"
#include "backend/render/fence_queue.h"
#include "backend/render/virgl.h"

namespace rendercar::render {

// One thread. Guest ranges are resolved in this process's own mapping of guest memory.
class RenderExecutor {
 public:
  struct Options {
    std::string render_node;  // empty: software
  };
  static absl::StatusOr<std::unique_ptr<RenderExecutor>> Create(const Options& options);

  // Executes one command. Submit3d has one part, aligned to 8, that nobody changes meanwhile.
  gpu::RenderResult Execute(const gpu::RenderCommand& command);

  // Guest ranges refer to this table from now on; backings are resolved anew, and one that lies in
  // lost memory is detached.
  void SetMemory(std::shared_ptr<const guest::GuestMemory> memory);
  const guest::GuestMemory* memory() const { return memory_.get(); }
  // Where ReadPixels writes.
  void SetPixels(uint32_t id, Mapping pixels) { pixels_[id] = std::move(pixels); }
  void DropPixels(uint32_t id) { pixels_.erase(id); }

  // What the last ExportScanout that succeeded handed out.
  gpu::ExportedBuffer TakeExported() { return std::move(exported_); }

  // Fenced commands are added here by whoever executes them.
  FenceQueue& fences() { return fences_; }
  // The context of the last command that used the GPU; syncs are per context.
  static uint32_t ContextOf(const gpu::RenderCommand& command);
  // Contexts that went into their error state since the last call, each once.
  std::vector<uint32_t> TakeFailedContexts();
  Virgl& virgl() { return *virgl_; }

 private:
  struct Backing {
    std::vector<gpu::GuestRange> ranges;
    std::vector<iovec> iov;  // virglrenderer keeps a pointer to it while attached
    bool attached = false;
  };

  RenderExecutor() = default;
  gpu::RenderResult Run(const gpu::CreateContext& c);
  gpu::RenderResult Run(const gpu::DestroyContext& c);
  gpu::RenderResult Run(const gpu::AttachResource& c);
  gpu::RenderResult Run(const gpu::DetachResource& c);
  gpu::RenderResult Run(const gpu::CreateResource3d& c);
  gpu::RenderResult Run(const gpu::UnrefResource& c);
  gpu::RenderResult Run(const gpu::AttachBacking& c);
  gpu::RenderResult Run(const gpu::DetachBacking& c);
  gpu::RenderResult Run(const gpu::Transfer& c);
  gpu::RenderResult Run(const gpu::Submit3d& c);
  gpu::RenderResult Run(const gpu::ReadPixels& c);
  gpu::RenderResult Run(const gpu::CreateBlob& c);
  gpu::RenderResult Run(const gpu::ExportScanout& c);
  // Finds its host bytes; false when not all of it is in the memory table.
  bool Resolve(Backing& backing);
  bool Attach(uint32_t resource_id, Backing& backing);
  void Detach(uint32_t resource_id, Backing& backing);

  // Goes last: virglrenderer's thread calls into it.
  FenceQueue fences_;
  std::shared_ptr<const guest::GuestMemory> memory_;
  std::unordered_map<uint32_t, Backing> backings_;
  std::unordered_map<uint32_t, uint32_t> formats_;  // of each resource
  std::map<uint32_t, Mapping> pixels_;
  std::map<uint32_t, bool> failed_;  // context -> already told
  gpu::ExportedBuffer exported_;
  std::unique_ptr<Virgl> virgl_;
};

}  // namespace rendercar::render
