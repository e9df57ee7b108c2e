// The renderer inside the device process: the same executor without rings. For tests and as the
// benchmark's yardstick; a session never uses it, since a crash in Mesa would end the VM's screen.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/gpu/renderer.h"
#include "backend/render/executor.h"
#include "common/event_loop.h"

namespace rendercar::render {

// All methods on the loop's thread; one object a process, as virglrenderer is global.
class InProcessRenderer final : public gpu::Renderer {
 public:
  InProcessRenderer(EventLoop& loop, RenderExecutor::Options options)
      : loop_(loop), options_(std::move(options)) {}
  ~InProcessRenderer() override;

  void SetClient(gpu::RendererClient* client) override { client_ = client; }
  absl::Status Start() override;
  bool running() const override { return executor_ != nullptr; }
  bool off() const override { return false; }
  void SetMemory(std::shared_ptr<const guest::GuestMemory> memory) override;
  absl::StatusOr<std::unique_ptr<gpu::SharedPixels>> AllocatePixels(size_t size_bytes) override;
  absl::Status Submit(const gpu::RenderCommand& command, gpu::Completion completion,
                      const gpu::Timeline& timeline, uint64_t token) override;
  void Flush() override;
  void Reset() override;
  void Quiesce(int timeout_ms) override;

 private:
  class Pixels;

  gpu::RenderResult Execute(const gpu::RenderCommand& command);
  absl::Status Give(uint32_t pixels_id, int fd, size_t size_bytes);
  void OnFence();
  void Retire();
  void Dispatch();
  void Stop();

  EventLoop& loop_;
  const RenderExecutor::Options options_;
  gpu::RendererClient* client_ = nullptr;
  std::unique_ptr<RenderExecutor> executor_;
  std::shared_ptr<const guest::GuestMemory> memory_;
  std::deque<std::pair<uint64_t, gpu::RenderResult>> completed_;
  std::vector<uint64_t> copy_;  // of a submit, aligned to 8
  struct PixelMemory {
    UniqueFd fd;
    size_t size_bytes = 0;
  };
  std::map<uint32_t, PixelMemory> pixels_;
  uint32_t next_pixels_id_ = 1;
  uint32_t fence_ctx_ = 0;
  bool dispatch_posted_ = false;
  std::shared_ptr<InProcessRenderer*> self_ = std::make_shared<InProcessRenderer*>(this);
};

}  // namespace rendercar::render
