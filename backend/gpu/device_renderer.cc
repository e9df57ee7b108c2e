// The renderer's life as the device sees it: start, replay, promotion, completions, death.
// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstring>
#include <utility>

#include "backend/gpu/device.h"

namespace rendercar::gpu {
namespace {

constexpr uint32_t kTarget2d = 2;  // PIPE_TEXTURE_2D
// VIRGL_BIND_RENDER_TARGET, _SAMPLER_VIEW, _SCANOUT
constexpr uint32_t kPromotedBind = 1u << 1 | 1u << 3 | 1u << 18;

constexpr std::chrono::milliseconds kRestartRetry{50};

uint32_t ToResponse(RenderResult result) {
  switch (result) {
    case RenderResult::kOk:
      return VIRTIO_GPU_RESP_OK_NODATA;
    case RenderResult::kRefused:
      return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    case RenderResult::kNoMemory:
      return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    case RenderResult::kRendererDied:
      return VIRTIO_GPU_RESP_ERR_UNSPEC;
  }
  return VIRTIO_GPU_RESP_ERR_UNSPEC;
}

// Whether a command stream has `id` as one of its words. A resource's id is a word of its own in
// every command that uses it; other words that look the same only cost a promotion.
bool MayName(const Submit3d& submit, uint32_t id) {
  for (const auto& part : submit.parts) {
    if (part.size() % sizeof(id) != 0) return true;  // a word may lie across two parts
    for (size_t at = 0; at < part.size(); at += sizeof(id)) {
      uint32_t word;
      std::memcpy(&word, part.data() + at, sizeof(word));
      if (word == id) return true;
    }
  }
  return false;
}

}  // namespace

void Device::Forward(Call& call, const RenderCommand& command, Answered answered) {
  const Timeline timeline = call.timeline;
  rendered_ = true;
  const bool waits = call.fenced() || answered == Answered::kWhenExecuted;
  absl::Status status;
  if (waits) {
    const auto completion = call.fenced() ? Completion::kFenced : Completion::kExecuted;
    const CallToken token = requests_.Park(std::move(call));
    status = link_.Send(command, completion, timeline, token);
    if (status.ok() || absl::IsResourceExhausted(status)) return;
    return OnComplete(token, RenderResult::kRendererDied);
  }
  status = link_.Send(command, Completion::kNone, timeline, NextInternalToken());
  if (status.ok()) return Ok(call);
  if (absl::IsResourceExhausted(status))
    return link_.TellWhenHandedOver(requests_.Park(std::move(call)));
  Fail(call, VIRTIO_GPU_RESP_ERR_UNSPEC, StatsError::kRendererRefused,
       "the renderer cannot take the command");
}

void Device::Tell(const RenderCommand& command) {
  rendered_ = true;
  // Neither a full ring nor a dying renderer matters here: what is kept follows, what is lost is
  // replayed.
  (void)link_.Send(command, Completion::kNone, {}, NextInternalToken());
}

absl::Status Device::EnsureRenderer() {
  if (renderer_.running()) return absl::OkStatus();
  RC_RETURN_IF_ERROR(renderer_.Start());
  Replay();
  if (died_at_) {
    stats_.Observe(StatsHistogram::kRecovery, std::chrono::steady_clock::now() - *died_at_);
    died_at_.reset();
  }
  return absl::OkStatus();
}

void Device::Replay() {
  resources_.ForEach([this](Resource& resource) {
    if (resource.in_gl()) ReplayResource(resource);
  });
  for (const auto& [id, context] : contexts_) {
    if (context.poisoned) continue;
    Tell(context.create);
    for (const uint32_t resource_id : context.resources) {
      if (!Contains(context.not_in_gl, resource_id)) Tell(AttachResource{id, resource_id});
    }
  }
}

void Device::ReplayResource(const Resource& resource) {
  if (resource.blob) return Tell(BlobCommand(resource));
  Tell(*resource.create3d);
  if (!resource.backing) return;
  Tell(AttachBacking{resource.id, resource.backing->ranges()});
  for (const Transfer& upload : resource.uploads) Tell(upload);
}

void Device::Promote(Resource& resource) {
  if (resource.blob) {
    if (resource.blob->lost || !resource.backing) return;
    resource.blob->in_gl = true;
    ReplayResource(resource);
    return AttachPromoted(resource);
  }
  CreateResource3d create;
  create.resource_id = resource.id;
  create.target = kTarget2d;
  create.format = resource.format;
  create.bind = kPromotedBind;
  create.width = resource.width;
  create.height = resource.height;
  create.depth = create.array_size = 1;
  create.flags = VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP;
  resource.create3d = create;
  const auto stride = resource.width * kBytesPerPixel;
  if (resource.backing && resource.backing->size_bytes() >= uint64_t{stride} * resource.height) {
    resource.uploads = {{Transfer::Direction::kToHost, 0, resource.id,
                         Box{0, 0, 0, resource.width, resource.height, 1}, 0, 0, stride, 0}};
  }
  ReplayResource(resource);
  AttachPromoted(resource);
  // GL has the contents now: heads that show it are read back.
  for (uint32_t id = 0; id < scanout_resources_.size(); ++id) {
    if (scanout_resources_[id] == resource.id) ShowGlOn(id, resource, display_.scanout(id).rect());
  }
  resource.surface.reset();
}

void Device::AttachPromoted(const Resource& resource) {
  for (auto& [id, context] : contexts_) {
    if (std::erase(context.not_in_gl, resource.id) > 0 && !context.poisoned)
      Tell(AttachResource{id, resource.id});
  }
}

void Device::Demote(Resource& resource) {
  resource.create3d.reset();
  resource.uploads.clear();
  for (auto& [id, context] : contexts_) {
    if (Contains(context.resources, resource.id)) context.not_in_gl.push_back(resource.id);
  }
  for (uint32_t id = 0; id < scanout_resources_.size(); ++id) {
    if (scanout_resources_[id] != resource.id) continue;
    const Readback readback = std::move(readbacks_[id]);
    readbacks_[id] = {};
    Surface* surface = SurfaceOf(resource);
    if (surface == nullptr) continue;
    // The last picture stays, unless it was GPU memory.
    const Rect& rect = readback.rect;
    for (uint32_t y = 0; y < rect.height; ++y)
      std::memcpy(surface->pixel(rect.x, rect.y + y), readback.surface->pixel(0, y),
                  readback.stride_bytes());
    display_.SetScanout(id, resource.surface, rect);
  }
}

void Device::PromoteNamed(Context& context, const Submit3d& submit) {
  const std::vector<uint32_t> candidates = context.not_in_gl;
  for (const uint32_t id : candidates) {
    Resource* resource = resources_.Find(id);
    if (resource != nullptr && MayName(submit, id)) Promote(*resource);
  }
}

void Device::OnComplete(uint64_t token, RenderResult result) {
  if ((token & kInternalToken) != 0) {
    OnReadDone(token, result);
    if (std::exchange(rendered_, false)) renderer_.Flush();
    if (!quiescing_) display_.Pump();
    return;
  }
  const Call* call = requests_.Find(token);
  if (call == nullptr) return;
  if (result != RenderResult::kOk) {
    if (result != RenderResult::kRendererDied)
      NoteGuestError(*call, StatsError::kRendererRefused, "virglrenderer refused it");
    // Also one that died with its renderer: made anew it might kill the next.
    if (call->creates_resource != 0) resources_.Remove(call->creates_resource);
  }
  requests_.Finish(token, ToResponse(result));
  Settle();
}

void Device::OnContextError(uint32_t ctx_id) {
  stats_.CountError(StatsError::kRendererRefused);
  if (error_log_.Allow()) log::Warning("virglrenderer gave up a context", {{"context", ctx_id}});
}

void Device::OnWritable() {
  link_.Drain(
      [this](uint64_t call, bool taken) {
        requests_.Finish(call, taken ? VIRTIO_GPU_RESP_OK_NODATA : VIRTIO_GPU_RESP_ERR_UNSPEC);
      },
      [this](uint64_t token) { OnComplete(token, RenderResult::kRendererDied); });
  if (!link_.blocked()) StartWantedReads();
  rendered_ = false;
  renderer_.Flush();
  Settle();
}

void Device::FailKept() {
  link_.Drop([this](uint64_t call, bool) { requests_.Finish(call, VIRTIO_GPU_RESP_ERR_UNSPEC); },
             [this](uint64_t token) { OnComplete(token, RenderResult::kRendererDied); });
}

void Device::OnRendererDied(const RendererDeath& death) {
  if (!died_at_) died_at_ = std::chrono::steady_clock::now();
  LoseRenderer();
  const auto guilty = contexts_.find(death.guilty_ctx_id);
  if (guilty != contexts_.end()) guilty->second.poisoned = true;
  if (!renderer_.off()) ScheduleRestart(kRestartTries);
  Settle();
}

void Device::LoseRenderer() {
  FailKept();
  // The heads keep their last picture.
  for (Readback& readback : readbacks_) {
    readback.pixels.reset();
    readback.token = 0;
    readback.wanted = {};
  }
  cursor_readback_ = {};
  exports_.clear();
  resources_.ForEach([](Resource& resource) { resource.exported.reset(); });
  // 2D resources go on without GL, until a context uses them again.
  resources_.ForEach([this](Resource& resource) {
    if (resource.kind == Resource::Kind::k2d && resource.in_gl()) Demote(resource);
    if (resource.blob && resource.in_gl()) DemoteBlob(resource);
  });
}

void Device::ScheduleRestart(int tries) {
  const auto restart = [alive = std::weak_ptr(alive_), tries] {
    const auto locked = alive.lock();
    if (locked == nullptr) return;
    Device& device = **locked;
    device.restart_scheduled_ = false;
    // A guest without contexts waits for its first use.
    if (device.contexts_.empty()) device.died_at_.reset();
    if (device.contexts_.empty() || device.renderer_.running()) return;
    if (device.EnsureRenderer().ok()) {
      device.rendered_ = false;
      device.renderer_.Flush();
    } else if (tries > 1) {
      device.ScheduleRestart(tries - 1);
    }
  };
  if (std::exchange(restart_scheduled_, true)) return;
  if (tries == kRestartTries) {
    loop_.Post(restart);
  } else {
    loop_.PostAfter(kRestartRetry, restart);
  }
}

}  // namespace rendercar::gpu
