// 3D commands: contexts, 3D resources, transfers, command streams.
// SPDX-License-Identifier: Apache-2.0
#include <absl/container/inlined_vector.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "backend/gpu/device.h"

namespace rendercar::gpu {
namespace {

constexpr uint32_t kTargetBuffer = 0;  // PIPE_BUFFER

// What a 3D resource takes on the host, roughly: 4 bytes a texel, a third more with mipmaps.
double EstimateBytes(const CreateResource3d& create) {
  if (create.target == kTargetBuffer) return create.width;
  const auto at_least_one = [](uint32_t value) { return std::max(1.0, double{1} * value); };
  const double texels = at_least_one(create.width) * at_least_one(create.height) *
                        at_least_one(create.depth) * at_least_one(create.array_size) *
                        at_least_one(create.nr_samples);
  return texels * kBytesPerPixel * (create.last_level > 0 ? 4.0 / 3 : 1.0);
}

CreateResource3d ToCreate(const virtio_gpu_resource_create_3d& wire) {
  return {wire.resource_id, wire.target,     wire.format, wire.bind,
          wire.width,       wire.height,     wire.depth,  wire.array_size,
          wire.last_level,  wire.nr_samples, wire.flags};
}

Transfer ToTransfer(Transfer::Direction direction, const virtio_gpu_transfer_host_3d& wire) {
  return {
      direction,        wire.hdr.ctx_id,
      wire.resource_id, {wire.box.x, wire.box.y, wire.box.z, wire.box.w, wire.box.h, wire.box.d},
      wire.offset,      wire.level,
      wire.stride,      wire.layer_stride};
}

// Whether an upload fills its whole level, so that it can stand for the contents.
bool FillsLevel(const Transfer& transfer, const CreateResource3d& create) {
  const auto minified = [&transfer](uint32_t size) {
    return std::max(1u, transfer.level < 32 ? size >> transfer.level : 0u);
  };
  const Box& box = transfer.box;
  return box.x == 0 && box.y == 0 && box.z == 0 && box.w == minified(create.width) &&
         box.h == minified(create.height) && create.depth <= 1 && create.array_size <= 1 &&
         transfer.level <= create.last_level && transfer.level < 16;
}

}  // namespace

bool Device::Needs3d(Call& call) {
  if (!Has(VIRTIO_GPU_F_VIRGL)) {
    Refuse(call);
    return false;
  }
  if (renderer_.off()) {
    Fail(call, VIRTIO_GPU_RESP_ERR_UNSPEC, StatsError::kRendererRefused,
         "3D is turned off after repeated renderer deaths");
    return false;
  }
  return true;
}

Context* Device::FindContext(Call& call) {
  const auto found = contexts_.find(call.hdr.ctx_id);
  if (found == contexts_.end()) {
    Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID, StatsError::kInvalidContext,
         "there is no context of this id");
    return nullptr;
  }
  return &found->second;
}

void Device::Do(Call& call, const virtio_gpu_ctx_create& request) {
  if (!Needs3d(call)) return;
  const uint32_t id = call.hdr.ctx_id;
  if (id == 0 || contexts_.contains(id)) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID, StatsError::kInvalidContext,
                "the context id is 0 or taken");
  }
  if (contexts_.size() >= options_.limits.contexts) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, StatsError::kOutOfMemory,
                "over the limit of contexts");
  }
  const uint32_t init = Has(VIRTIO_GPU_F_CONTEXT_INIT) ? request.context_init : 0;
  const uint32_t capset_id = init & VIRTIO_GPU_CONTEXT_INIT_CAPSET_ID_MASK;
  const auto& capsets = options_.capabilities.capsets;
  const bool known = std::any_of(capsets.begin(), capsets.end(),
                                 [capset_id](const Capset& one) { return one.id == capset_id; });
  if (request.nlen > sizeof(request.debug_name) || (capset_id != 0 && !known)) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, StatsError::kInvalidParameter,
                "a name above 64 bytes, or a capability set that was not offered");
  }
  Context& context = contexts_[id];
  context.create = {id, init, {}, request.nlen};
  std::memcpy(context.create.debug_name.data(), request.debug_name, request.nlen);
  stats_.Set(StatsValue::kContexts, contexts_.size());
  if (!renderer_.running()) return Ok(call);  // it is told when it is needed
  Forward(call, context.create, Answered::kWhenHandedOver);
}

void Device::Do(Call& call, const wire::CtxDestroy&) {
  if (!Has(VIRTIO_GPU_F_VIRGL)) return Refuse(call);
  const Context* context = FindContext(call);
  if (context == nullptr) return;
  const bool told = renderer_.running() && !context->poisoned;
  const uint32_t id = call.hdr.ctx_id;
  attachments_ -= context->resources.size();
  contexts_.erase(id);
  stats_.Set(StatsValue::kContexts, contexts_.size());
  if (!told) return Ok(call);
  Forward(call, DestroyContext{id}, Answered::kWhenHandedOver);
}

void Device::Do(Call& call, const wire::CtxAttachResource& request) {
  if (!Needs3d(call)) return;
  Context* context = FindContext(call);
  if (context == nullptr) return;
  const Resource* resource = resources_.Find(request.wire.resource_id);
  if (resource == nullptr) return FailInvalidResource(call);
  if (Contains(context->resources, resource->id)) return Ok(call);
  if (attachments_ >= options_.limits.attachments) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, StatsError::kOutOfMemory,
                "over the limit of resources attached to contexts");
  }
  context->resources.push_back(resource->id);
  ++attachments_;
  if (!resource->in_gl()) context->not_in_gl.push_back(resource->id);
  if (!resource->in_gl() || context->poisoned || !renderer_.running()) return Ok(call);
  Forward(call, AttachResource{call.hdr.ctx_id, resource->id}, Answered::kWhenHandedOver);
}

void Device::Do(Call& call, const wire::CtxDetachResource& request) {
  if (!Has(VIRTIO_GPU_F_VIRGL)) return Refuse(call);
  Context* context = FindContext(call);
  if (context == nullptr) return;
  const Resource* resource = resources_.Find(request.wire.resource_id);
  if (resource == nullptr) return FailInvalidResource(call);
  const bool attached = std::erase(context->resources, resource->id) > 0;
  if (attached) --attachments_;
  std::erase(context->not_in_gl, resource->id);
  if (!attached || !resource->in_gl() || context->poisoned || !renderer_.running()) return Ok(call);
  Forward(call, DetachResource{call.hdr.ctx_id, resource->id}, Answered::kWhenHandedOver);
}

void Device::Do(Call& call, const virtio_gpu_resource_create_3d& request) {
  if (!Needs3d(call)) return;
  if (request.resource_id == 0 || resources_.Find(request.resource_id) != nullptr) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID, StatsError::kInvalidResource,
                "the resource id is 0 or taken");
  }
  if (request.width == 0 || (request.target != kTargetBuffer &&
                             (request.width > kMaxDimension || request.height > kMaxDimension))) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, StatsError::kInvalidParameter,
                "a size of 0 or above 16384");
  }
  auto resource = std::make_unique<Resource>();
  resource->id = request.resource_id;
  resource->kind = Resource::Kind::k3d;
  resource->create3d = ToCreate(request);
  resource->width = request.width;
  resource->height = request.height;
  resource->format = request.format;
  const auto format = FindFormat3d(request.format);
  resource->showable = format.has_value() && request.target != kTargetBuffer;
  resource->pixels = format.value_or(PixelFormat{});
  const double host_bytes = EstimateBytes(*resource->create3d);
  if (host_bytes > static_cast<double>(options_.limits.resource_bytes) ||
      !resources_.HasRoom(static_cast<uint64_t>(host_bytes))) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, StatsError::kOutOfMemory,
                "over the limit of resources or of their bytes");
  }
  resource->host_bytes = static_cast<uint64_t>(host_bytes);
  // Started first: a new renderer is told of everything that is in the table.
  const absl::Status ready = EnsureRenderer();
  const CreateResource3d create = *resources_.Add(std::move(resource)).create3d;
  if (!ready.ok()) return Ok(call);  // made when there is one again
  call.creates_resource = create.resource_id;
  Forward(call, create, Answered::kWhenExecuted);
}

void Device::Do(Call& call, const wire::TransferToHost3d& request) {
  DoTransfer(call, ToTransfer(Transfer::Direction::kToHost, request.wire));
}

void Device::Do(Call& call, const wire::TransferFromHost3d& request) {
  DoTransfer(call, ToTransfer(Transfer::Direction::kFromHost, request.wire));
}

void Device::DoTransfer(Call& call, Transfer transfer) {
  if (!Needs3d(call)) return;
  if (transfer.ctx_id != 0) {
    const Context* context = FindContext(call);
    if (context == nullptr) return;
    if (context->poisoned) transfer.ctx_id = 0;
  }
  Resource* resource = resources_.Find(transfer.resource_id);
  if (resource == nullptr) return FailInvalidResource(call);
  if (resource->blob && (resource->blob->is_guest_memory() || resource->blob->lost)) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, StatsError::kInvalidParameter,
                "a blob that has no memory of the host");
  }
  if (!resource->backing) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_UNSPEC, StatsError::kInvalidParameter,
                "the resource has no backing");
  }
  if (const absl::Status ready = EnsureRenderer(); !ready.ok()) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_UNSPEC, StatsError::kRendererRefused,
                "there is no renderer now");
  }
  if (!resource->in_gl()) Promote(*resource);
  if (transfer.direction == Transfer::Direction::kToHost && resource->create3d &&
      FillsLevel(transfer, *resource->create3d)) {
    std::erase_if(resource->uploads,
                  [&transfer](const Transfer& old) { return old.level == transfer.level; });
    resource->uploads.push_back(transfer);
    resource->uploads.back().ctx_id = 0;
  }
  stats_.Count(StatsValue::kBytes3d, uint64_t{transfer.box.w} * transfer.box.h * kBytesPerPixel);
  Forward(call, transfer, Answered::kWhenHandedOver);
}

void Device::Do(Call& call, const wire::SubmitRequest& request) {
  if (!Needs3d(call)) return;
  Context* context = FindContext(call);
  if (context == nullptr) return;
  if (request.wire.size % 4 != 0) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, StatsError::kInvalidParameter,
                "a command stream that is no multiple of 4 bytes");
  }
  if (request.wire.size > options_.limits.submit_bytes) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, StatsError::kOutOfMemory,
                "over the limit of a command stream");
  }
  if (context->poisoned) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_UNSPEC, StatsError::kInvalidContext,
                "the context's command killed a renderer");
  }
  if (const absl::Status ready = EnsureRenderer(); !ready.ok()) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_UNSPEC, StatsError::kRendererRefused,
                "there is no renderer now");
  }
  // The stream's bytes as they lie in guest memory, behind the fixed part.
  absl::InlinedVector<std::span<const std::byte>, 8> parts;
  size_t skip = request.payload_offset, left = request.wire.size;
  for (const auto& span : call.chain.readable) {
    const size_t skipped = std::min(skip, span.size());
    const size_t taken = std::min(left, span.size() - skipped);
    if (taken > 0) parts.push_back(span.subspan(skipped, taken));
    skip -= skipped;
    left -= taken;
  }
  const Submit3d submit{call.hdr.ctx_id, request.wire.size, parts};
  if (!context->not_in_gl.empty()) PromoteNamed(*context, submit);
  stats_.Count(StatsValue::kBytes3d, request.wire.size);
  Forward(call, submit, Answered::kWhenHandedOver);
}

}  // namespace rendercar::gpu
