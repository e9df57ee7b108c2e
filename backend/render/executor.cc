// Executes render commands with virglrenderer.
// SPDX-License-Identifier: Apache-2.0
#include "backend/render/executor.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdlib>

namespace rendercar::render {
namespace {

using Result = gpu::RenderResult;

Result Answer(bool taken) { return taken ? Result::kOk : Result::kRefused; }

absl::StatusOr<UniqueFd> OpenRenderNode(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (!fd.valid())
    return ErrnoStatus(errno, absl::StrCat("cannot open the render node '", path, "'"));
  return fd;
}

// The formats that a scanout can have: virtio 1.2, enum virtio_gpu_formats, all of 4 bytes, and
// their like in sRGB (VIRGL_FORMAT_A8B8G8R8_SRGB to _R8G8B8A8_SRGB).
bool HasFourBytes(uint32_t format) {
  switch (format) {
    case 1:
    case 2:
    case 3:
    case 4:
    case 67:
    case 68:
    case 98:
    case 99:
    case 100:
    case 101:
    case 102:
    case 103:
    case 104:
    case 121:
    case 134:
      return true;
    default:
      return false;
  }
}

// Where the box's rows lie in `pixels`; empty when they do not fit.
std::span<std::byte> Window(std::span<std::byte> pixels, const gpu::ReadPixels& c) {
  const uint64_t row = uint64_t{c.box.w} * 4;
  if (c.box.w == 0 || c.box.h == 0 || c.box.z != 0 || c.box.d != 1 || c.stride_bytes < row ||
      c.stride_bytes % 4 != 0)
    return {};
  const uint64_t needed = uint64_t{c.stride_bytes} * (c.box.h - 1) + row;
  if (c.offset_bytes > pixels.size() || needed > pixels.size() - c.offset_bytes) return {};
  return pixels.subspan(c.offset_bytes, needed);
}

}  // namespace

absl::StatusOr<std::unique_ptr<RenderExecutor>> RenderExecutor::Create(const Options& options) {
  std::unique_ptr<RenderExecutor> executor(new RenderExecutor());
  Virgl::Options virgl;
  if (!options.render_node.empty()) {
    RC_ASSIGN_OR_RETURN(virgl.render_node, OpenRenderNode(options.render_node));
  } else {
    // Surfaceless EGL would take the first GPU that it finds; "software" means software.
    ::setenv("LIBGL_ALWAYS_SOFTWARE", "1", 1);
  }
  RenderExecutor* self = executor.get();
  virgl.on_fence = [self](uint32_t fence) { self->fences_.OnFence(fence); };
  virgl.on_context_error = [self](uint32_t ctx_id) { self->failed_.emplace(ctx_id, false); };
  RC_ASSIGN_OR_RETURN(executor->virgl_, Virgl::Create(std::move(virgl)));
  executor->fences_.Bind(executor->virgl_.get());
  return executor;
}

Result RenderExecutor::Execute(const gpu::RenderCommand& command) {
  return std::visit([this](const auto& c) { return Run(c); }, command);
}

uint32_t RenderExecutor::ContextOf(const gpu::RenderCommand& command) {
  if (const auto* submit = std::get_if<gpu::Submit3d>(&command)) return submit->ctx_id;
  if (const auto* transfer = std::get_if<gpu::Transfer>(&command)) return transfer->ctx_id;
  return 0;
}

std::vector<uint32_t> RenderExecutor::TakeFailedContexts() {
  std::vector<uint32_t> fresh;
  for (auto& [ctx_id, told] : failed_) {
    if (!told) fresh.push_back(ctx_id);
    told = true;
  }
  return fresh;
}

Result RenderExecutor::Run(const gpu::CreateContext& c) { return Answer(virgl_->CreateContext(c)); }

Result RenderExecutor::Run(const gpu::DestroyContext& c) {
  virgl_->DestroyContext(c.ctx_id);
  failed_.erase(c.ctx_id);
  return Result::kOk;
}

Result RenderExecutor::Run(const gpu::AttachResource& c) {
  virgl_->AttachResource(c.ctx_id, c.resource_id);
  return Result::kOk;
}

Result RenderExecutor::Run(const gpu::DetachResource& c) {
  virgl_->DetachResource(c.ctx_id, c.resource_id);
  return Result::kOk;
}

Result RenderExecutor::Run(const gpu::CreateResource3d& c) {
  if (formats_.contains(c.resource_id) || !virgl_->CreateResource(c)) return Result::kRefused;
  formats_[c.resource_id] = c.format;
  return Result::kOk;
}

Result RenderExecutor::Run(const gpu::CreateBlob& c) {
  if (formats_.contains(c.resource_id)) return Result::kRefused;
  Backing backing;
  backing.ranges.assign(c.ranges.begin(), c.ranges.end());
  if (!Resolve(backing) || !virgl_->CreateBlob(c, backing.iov)) return Result::kRefused;
  formats_[c.resource_id] = 0;  // none: it has no pixels of its own
  backing.attached = !backing.iov.empty();
  if (backing.attached) backings_[c.resource_id] = std::move(backing);
  return Result::kOk;
}

Result RenderExecutor::Run(const gpu::UnrefResource& c) {
  Run(gpu::DetachBacking{c.resource_id});
  virgl_->UnrefResource(c.resource_id);
  formats_.erase(c.resource_id);
  return Result::kOk;
}

Result RenderExecutor::Run(const gpu::AttachBacking& c) {
  if (!formats_.contains(c.resource_id) || backings_.contains(c.resource_id))
    return Result::kRefused;
  Backing& backing = backings_[c.resource_id];
  backing.ranges.assign(c.ranges.begin(), c.ranges.end());
  // Memory that is lost now may come back with another table: the backing stays, as the device
  // believes.
  return Answer(Attach(c.resource_id, backing));
}

Result RenderExecutor::Run(const gpu::DetachBacking& c) {
  const auto found = backings_.find(c.resource_id);
  if (found == backings_.end()) return Result::kRefused;
  Detach(c.resource_id, found->second);
  backings_.erase(found);
  return Result::kOk;
}

bool RenderExecutor::Attach(uint32_t resource_id, Backing& backing) {
  backing.attached = Resolve(backing) && virgl_->AttachBacking(resource_id, backing.iov);
  return backing.attached;
}

bool RenderExecutor::Resolve(Backing& backing) {
  backing.iov.clear();
  for (const gpu::GuestRange& range : backing.ranges) {
    if (memory_ == nullptr) return false;
    const auto bytes = memory_->Translate(range.guest_addr, range.size_bytes);
    if (!bytes.ok()) return false;
    // Pages that lie behind each other become one entry: virglrenderer walks them linearly.
    if (!backing.iov.empty() &&
        static_cast<std::byte*>(backing.iov.back().iov_base) + backing.iov.back().iov_len ==
            bytes->data()) {
      backing.iov.back().iov_len += bytes->size();
    } else {
      backing.iov.push_back({bytes->data(), bytes->size()});
    }
  }
  return true;
}

void RenderExecutor::Detach(uint32_t resource_id, Backing& backing) {
  if (backing.attached) virgl_->DetachBacking(resource_id);
  backing.attached = false;
}

void RenderExecutor::SetMemory(std::shared_ptr<const guest::GuestMemory> memory) {
  for (auto& [resource_id, backing] : backings_) Detach(resource_id, backing);
  memory_ = std::move(memory);
  for (auto& [resource_id, backing] : backings_) Attach(resource_id, backing);
}

Result RenderExecutor::Run(const gpu::Transfer& c) {
  const auto found = backings_.find(c.resource_id);
  if (found == backings_.end() || !found->second.attached) return Result::kRefused;
  return Answer(virgl_->Transfer(c));
}

Result RenderExecutor::Run(const gpu::Submit3d& c) {
  if (c.parts.size() != 1) return Result::kRefused;
  const bool taken = virgl_->Submit(c.ctx_id, c.parts[0]);
  // What it refuses, it also puts the context into its error state for, if there is one.
  return Answer(taken);
}

Result RenderExecutor::Run(const gpu::ExportScanout& c) {
  if (!formats_.contains(c.resource_id)) return Result::kRefused;
  auto exported = virgl_->Export(c.resource_id);
  if (!exported.has_value()) return Result::kRefused;
  exported_ = *std::move(exported);
  return Result::kOk;
}

Result RenderExecutor::Run(const gpu::ReadPixels& c) {
  const auto format = formats_.find(c.resource_id);
  const auto pixels = pixels_.find(c.pixels_id);
  if (format == formats_.end() || !HasFourBytes(format->second) || pixels == pixels_.end())
    return Result::kRefused;
  const std::span<std::byte> out = Window(pixels->second.bytes(), c);
  if (out.empty()) return Result::kRefused;
  return Answer(virgl_->ReadBack(c.resource_id, c.box, c.stride_bytes, out));
}

}  // namespace rendercar::render
