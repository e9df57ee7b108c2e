// The renderer inside the device process.
// SPDX-License-Identifier: Apache-2.0
#include "backend/render/in_process_renderer.h"

#include <poll.h>
#include <sys/epoll.h>

#include <array>
#include <cstring>

namespace rendercar::render {
namespace {

// Fences that take longer are told by the loop.
constexpr std::chrono::microseconds kPatience{0};

}  // namespace

class InProcessRenderer::Pixels final : public gpu::SharedPixels {
 public:
  Pixels(std::weak_ptr<InProcessRenderer*> owner, uint32_t id, Mapping mapping)
      : owner_(std::move(owner)), id_(id), mapping_(std::move(mapping)) {}
  ~Pixels() override {
    const auto owner = owner_.lock();
    if (owner == nullptr) return;
    (*owner)->pixels_.erase(id_);
    if ((*owner)->running()) (*owner)->executor_->DropPixels(id_);
  }
  uint32_t id() const override { return id_; }
  std::span<const std::byte> bytes() const override { return mapping_.bytes(); }

 private:
  std::weak_ptr<InProcessRenderer*> owner_;
  uint32_t id_;
  Mapping mapping_;
};

InProcessRenderer::~InProcessRenderer() {
  self_.reset();
  Stop();
}

absl::Status InProcessRenderer::Start() {
  if (running()) return absl::OkStatus();
  RC_ASSIGN_OR_RETURN(executor_, RenderExecutor::Create(options_));
  loop_.Watch(executor_->fences().wake_fd(), EPOLLIN, [this](uint32_t) { OnFence(); });
  if (executor_->virgl().poll_fd() >= 0)
    loop_.Watch(executor_->virgl().poll_fd(), EPOLLIN, [this](uint32_t) { OnFence(); });
  if (memory_ != nullptr) executor_->SetMemory(memory_);
  for (const auto& [id, memory] : pixels_)
    RC_RETURN_IF_ERROR(Give(id, memory.fd.get(), memory.size_bytes));
  return absl::OkStatus();
}

void InProcessRenderer::Stop() {
  if (!running()) return;
  loop_.Unwatch(executor_->fences().wake_fd());
  if (executor_->virgl().poll_fd() >= 0) loop_.Unwatch(executor_->virgl().poll_fd());
  executor_.reset();
}

void InProcessRenderer::SetMemory(std::shared_ptr<const guest::GuestMemory> memory) {
  memory_ = std::move(memory);
  if (running()) executor_->SetMemory(memory_);
}

absl::Status InProcessRenderer::Give(uint32_t pixels_id, int fd, size_t size_bytes) {
  RC_ASSIGN_OR_RETURN(Mapping mapping,
                      Mapping::Map(fd, 0, size_bytes, Mapping::Access::kReadWrite));
  executor_->SetPixels(pixels_id, std::move(mapping));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<gpu::SharedPixels>> InProcessRenderer::AllocatePixels(
    size_t size_bytes) {
  PixelMemory memory;
  RC_ASSIGN_OR_RETURN(memory.fd, CreateSealedMemory("rendercar-pixels", size_bytes));
  memory.size_bytes = size_bytes;
  RC_ASSIGN_OR_RETURN(Mapping mapping,
                      Mapping::Map(memory.fd.get(), 0, size_bytes, Mapping::Access::kReadOnly));
  const uint32_t id = next_pixels_id_++;
  if (running()) RC_RETURN_IF_ERROR(Give(id, memory.fd.get(), size_bytes));
  pixels_.emplace(id, std::move(memory));
  return std::make_unique<Pixels>(self_, id, std::move(mapping));
}

gpu::RenderResult InProcessRenderer::Execute(const gpu::RenderCommand& command) {
  // One process: nobody to hand memory to.
  if (std::holds_alternative<gpu::ExportScanout>(command)) return gpu::RenderResult::kRefused;
  const auto* submit = std::get_if<gpu::Submit3d>(&command);
  if (submit == nullptr) return executor_->Execute(command);
  copy_.resize((submit->size_bytes + 7) / 8);
  std::span<std::byte> out = std::as_writable_bytes(std::span(copy_));
  for (const std::span<const std::byte> part : submit->parts) {
    std::memcpy(out.data(), part.data(), part.size());
    out = out.subspan(part.size());
  }
  const std::span<const std::byte> whole = std::as_bytes(std::span(copy_));
  const std::span<const std::byte> part = whole.first(submit->size_bytes);
  return executor_->Execute(gpu::Submit3d{submit->ctx_id, submit->size_bytes, {&part, 1}});
}

absl::Status InProcessRenderer::Submit(const gpu::RenderCommand& command,
                                       gpu::Completion completion, const gpu::Timeline&,
                                       uint64_t token) {
  if (!running()) return absl::UnavailableError("no renderer runs");
  const uint32_t ctx_id = RenderExecutor::ContextOf(command);
  FenceQueue& fences = executor_->fences();
  if (fences.has_open() && ctx_id != fence_ctx_) fences.Seal(kPatience, [] { return false; });
  const gpu::RenderResult result = Execute(command);
  if (completion == gpu::Completion::kFenced) {
    fences.Add({token, result});
    fence_ctx_ = ctx_id;
  } else if (completion == gpu::Completion::kExecuted) {
    completed_.emplace_back(token, result);
  }
  return absl::OkStatus();
}

void InProcessRenderer::Flush() {
  if (!running()) return;
  executor_->fences().Seal(kPatience, [] { return false; });
  Retire();
  if (completed_.empty() || dispatch_posted_) return;
  dispatch_posted_ = true;
  loop_.Post([self = std::weak_ptr(self_)] {
    if (const auto alive = self.lock()) (*alive)->Dispatch();
  });
}

void InProcessRenderer::Retire() {
  executor_->fences().Retire([this](const FenceQueue::Fenced& fenced) {
    completed_.emplace_back(fenced.id, fenced.result);
  });
}

void InProcessRenderer::OnFence() {
  executor_->fences().ClearWake();
  executor_->virgl().Poll();
  Retire();
  Dispatch();
}

void InProcessRenderer::Dispatch() {
  dispatch_posted_ = false;
  while (!completed_.empty()) {
    const auto [token, result] = completed_.front();
    completed_.pop_front();
    client_->OnComplete(token, result);
  }
  if (!running()) return;
  for (const uint32_t ctx_id : executor_->TakeFailedContexts()) client_->OnContextError(ctx_id);
}

void InProcessRenderer::Quiesce(int timeout_ms) {
  if (!running()) return Dispatch();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  FenceQueue& fences = executor_->fences();
  fences.Seal(std::chrono::milliseconds(timeout_ms), [] { return true; });
  Retire();
  while (!fences.empty() && std::chrono::steady_clock::now() < deadline) {
    std::array<pollfd, 1> fds{{{fences.wake_fd(), POLLIN, 0}}};
    ::poll(fds.data(), fds.size(), 1);
    Retire();
  }
  if (!fences.empty()) return Reset();
  Dispatch();
}

void InProcessRenderer::Reset() {
  if (running()) {
    executor_->fences().Abandon([this](const FenceQueue::Fenced& fenced) {
      completed_.emplace_back(fenced.id, gpu::RenderResult::kRendererDied);
    });
    Stop();
  }
  Dispatch();
}

}  // namespace rendercar::render
