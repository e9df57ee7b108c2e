// 2D resources: create, unref, backing, transfer.
// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "backend/gpu/device.h"
#include "backend/gpu/tile_copy.h"

namespace rendercar::gpu {
namespace {

// Whether a rectangle's rows, the first at `offset`, lie within `backing_bytes`.
bool RowsFit(uint64_t offset, uint64_t stride_bytes, const Rect& rect, uint64_t backing_bytes) {
  // Both factors are below 2^32, and so is a row.
  const uint64_t needed = stride_bytes * (rect.height - 1) + uint64_t{rect.width} * kBytesPerPixel;
  return offset <= backing_bytes && needed <= backing_bytes - offset;
}

}  // namespace

void Device::Do(Call& call, const virtio_gpu_resource_create_2d& request) {
  if (request.resource_id == 0 || resources_.Find(request.resource_id) != nullptr) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID, StatsError::kInvalidResource,
                "the resource id is 0 or taken");
  }
  const auto format = FindFormat(request.format);
  if (!format || request.width == 0 || request.height == 0 || request.width > kMaxDimension ||
      request.height > kMaxDimension) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, StatsError::kInvalidParameter,
                "a format that virtio does not list, or a size of 0 or above 16384");
  }
  const uint64_t host_bytes = uint64_t{request.width} * request.height * kBytesPerPixel;
  if (!resources_.HasRoom(host_bytes)) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, StatsError::kOutOfMemory,
                "over the limit of resources or of their bytes");
  }
  auto resource = std::make_unique<Resource>();
  resource->id = request.resource_id;
  resource->width = request.width;
  resource->height = request.height;
  resource->format = request.format;
  resource->pixels = *format;
  resource->host_bytes = host_bytes;
  resources_.Add(std::move(resource));
  Ok(call);
}

void Device::Do(Call& call, const virtio_gpu_resource_unref& request) {
  Resource* resource = resources_.Find(request.resource_id);
  if (resource == nullptr) return FailInvalidResource(call);
  DisableScanoutsOf(*resource);
  for (auto& [id, context] : contexts_) {
    attachments_ -= std::erase(context.resources, resource->id);
    std::erase(context.not_in_gl, resource->id);
  }
  const bool in_renderer = resource->in_gl() && renderer_.running();
  resources_.Remove(request.resource_id);
  if (!in_renderer) return Ok(call);
  // The guest may use the backing for something else once this is answered.
  Forward(call, UnrefResource{request.resource_id}, Answered::kWhenExecuted);
}

std::vector<GuestRange> Device::ReadRanges(const Call& call, size_t offset, uint32_t count) {
  std::vector<virtio_gpu_mem_entry> entries(count);
  guest::CopyFrom(call.chain, offset, std::as_writable_bytes(std::span(entries)));
  std::vector<GuestRange> ranges;
  ranges.reserve(count);
  for (const virtio_gpu_mem_entry& entry : entries) ranges.push_back({entry.addr, entry.length});
  return ranges;
}

void Device::Do(Call& call, const wire::AttachBackingRequest& request) {
  Resource* resource = resources_.Find(request.wire.resource_id);
  if (resource == nullptr) return FailInvalidResource(call);
  if (resource->backing) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_UNSPEC, StatsError::kInvalidParameter,
                "the resource has a backing already");
  }
  if (request.wire.nr_entries > options_.limits.backing_entries ||
      !resources_.HasRoomForBacking(request.wire.nr_entries)) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, StatsError::kOutOfMemory,
                "over the limit of backing entries");
  }
  Backing backing(ReadRanges(call, request.entries_offset, request.wire.nr_entries), memory_.get());
  if (!backing.whole()) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, StatsError::kInvalidParameter,
                "a backing outside guest memory");
  }
  resources_.SetBacking(*resource, std::move(backing));
  if (!resource->in_gl() || !renderer_.running()) return Ok(call);
  Forward(call, AttachBacking{resource->id, resource->backing->ranges()},
          Answered::kWhenHandedOver);
}

void Device::Do(Call& call, const virtio_gpu_resource_detach_backing& request) {
  Resource* resource = resources_.Find(request.resource_id);
  if (resource == nullptr) return FailInvalidResource(call);
  if (!resource->backing) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_UNSPEC, StatsError::kInvalidParameter,
                "the resource has no backing");
  }
  resources_.DropBacking(*resource);
  resource->uploads.clear();
  if (!resource->in_gl() || !renderer_.running()) return Ok(call);
  Forward(call, DetachBacking{resource->id}, Answered::kWhenExecuted);
}

Surface* Device::SurfaceOf(Resource& resource) {
  if (resource.surface == nullptr) {
    auto surface = Surface::Create(resource.width, resource.height);
    if (!surface.ok()) return nullptr;
    resource.surface = *std::move(surface);
  }
  return resource.surface.get();
}

void Device::Do(Call& call, const virtio_gpu_transfer_to_host_2d& request) {
  Resource* resource = resources_.Find(request.resource_id);
  if (resource == nullptr) return FailInvalidResource(call);
  if (!resource->backing) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_UNSPEC, StatsError::kInvalidParameter,
                "the resource has no backing");
  }
  // Its memory is the guest's own already; Linux transfers cursors all the same.
  if (resource->blob) return Ok(call);
  const Rect rect = ToRect(request.r);
  const uint64_t stride = uint64_t{resource->width} * kBytesPerPixel;
  if (!Fits(rect, resource->width, resource->height) ||
      (!rect.empty() && !RowsFit(request.offset, stride, rect, resource->backing->size_bytes()))) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, StatsError::kInvalidParameter,
                "a rectangle outside the resource, or rows outside its backing");
  }
  if (rect.empty()) return Ok(call);
  if (resource->in_gl()) {
    return DoTransfer(call, {Transfer::Direction::kToHost, 0, resource->id,
                             Box{rect.x, rect.y, 0, rect.width, rect.height, 1}, request.offset, 0,
                             static_cast<uint32_t>(stride), 0});
  }
  Surface* surface = SurfaceOf(*resource);
  if (surface == nullptr) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, StatsError::kOutOfMemory,
                "the host has no memory for the resource");
  }
  const CopyResult result = CopyFromBacking(*resource->backing, request.offset, stride,
                                            resource->pixels.order, rect, *surface);
  display_.NoteChanges(*surface, rect);
  stats_.Count(StatsValue::kBytes2d, uint64_t{rect.width} * rect.height * kBytesPerPixel);
  if (result == CopyResult::kSourceEnds) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_UNSPEC, StatsError::kMemoryLost,
                "guest memory behind the resource is gone");
  }
  Ok(call);
}

}  // namespace rendercar::gpu
