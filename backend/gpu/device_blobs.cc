// Blob resources: memory of the guest or of a context, and heads that show it.
// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <utility>

#include "backend/gpu/device.h"
#include "backend/gpu/tile_copy.h"

namespace rendercar::gpu {
namespace {

constexpr uint32_t kKnownFlags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE |
                                 VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE |
                                 VIRTIO_GPU_BLOB_FLAG_USE_CROSS_DEVICE;

bool IsKnownMemory(uint32_t blob_mem) {
  return blob_mem == VIRTIO_GPU_BLOB_MEM_GUEST || blob_mem == VIRTIO_GPU_BLOB_MEM_HOST3D ||
         blob_mem == VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST;
}

// Whether the framebuffer's rows lie in a blob of `size_bytes`.
bool FramebufferFits(const virtio_gpu_set_scanout_blob& request, uint64_t size_bytes) {
  const uint64_t row = uint64_t{request.width} * kBytesPerPixel;
  const uint64_t stride = request.strides[0], offset = request.offsets[0];
  if (stride < row) return false;
  // All factors are below 2^32, the height below 2^15.
  return offset + stride * (request.height - 1) + row <= size_bytes;
}

bool EndsIn32Bits(const Rect& rect) {
  constexpr uint32_t kMax = std::numeric_limits<uint32_t>::max();
  return rect.width <= kMax - rect.x && rect.height <= kMax - rect.y;
}

}  // namespace

bool Device::CheckCreateBlob(Call& call, const wire::CreateBlobRequest& request) {
  const virtio_gpu_resource_create_blob& wire = request.wire;
  const auto fail = [this, &call](uint32_t response, StatsError error, const char* why) {
    Fail(call, response, error, why);
    return false;
  };
  if (wire.resource_id == 0 || resources_.Find(wire.resource_id) != nullptr) {
    return fail(VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID, StatsError::kInvalidResource,
                "the resource id is 0 or taken");
  }
  if (!IsKnownMemory(wire.blob_mem) || (wire.blob_flags & ~kKnownFlags) != 0 || wire.size == 0 ||
      (wire.blob_mem == VIRTIO_GPU_BLOB_MEM_HOST3D && wire.nr_entries != 0)) {
    return fail(VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, StatsError::kInvalidParameter,
                "a blob of unknown memory or flags, of no bytes, or of the host with entries");
  }
  const bool is_guest = wire.blob_mem == VIRTIO_GPU_BLOB_MEM_GUEST;
  if (!is_guest && !Needs3d(call)) return false;
  if (!is_guest && FindContext(call) == nullptr) return false;
  if (wire.nr_entries > options_.limits.backing_entries ||
      !resources_.HasRoomForBacking(wire.nr_entries) ||
      !resources_.HasRoom(is_guest ? 0 : wire.size)) {
    return fail(VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, StatsError::kOutOfMemory,
                "over the limit of resources, of their bytes or of backing entries");
  }
  return true;
}

void Device::Do(Call& call, const wire::CreateBlobRequest& request) {
  if (!Has(VIRTIO_GPU_F_RESOURCE_BLOB)) return Refuse(call);
  if (!CheckCreateBlob(call, request)) return;
  const virtio_gpu_resource_create_blob& wire = request.wire;
  auto resource = std::make_unique<Resource>();
  resource->id = wire.resource_id;
  resource->kind = Resource::Kind::kBlob;
  resource->showable = false;  // but by SET_SCANOUT_BLOB
  auto& blob = resource->blob.emplace();
  blob.create = {wire.resource_id,
                 call.hdr.ctx_id,
                 wire.blob_mem,
                 wire.blob_flags,
                 wire.blob_id,
                 wire.size,
                 {}};
  if (wire.blob_mem != VIRTIO_GPU_BLOB_MEM_HOST3D) {
    resource->backing.emplace(ReadRanges(call, request.entries_offset, wire.nr_entries),
                              memory_.get());
    if (!resource->backing->whole() || resource->backing->size_bytes() < wire.size) {
      return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, StatsError::kInvalidParameter,
                  "a blob that its entries do not fill, or entries outside guest memory");
    }
  }
  if (blob.is_guest_memory()) {
    resources_.Add(std::move(resource));
    return Ok(call);
  }
  resource->host_bytes = wire.size;
  if (const absl::Status ready = EnsureRenderer(); !ready.ok()) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_UNSPEC, StatsError::kRendererRefused,
                "there is no renderer now");
  }
  blob.in_gl = true;
  const Resource& added = resources_.Add(std::move(resource));
  call.creates_resource = added.id;
  Forward(call, BlobCommand(added), Answered::kWhenExecuted);
}

CreateBlob Device::BlobCommand(const Resource& resource) {
  CreateBlob command = resource.blob->create;
  if (resource.backing) command.ranges = resource.backing->ranges();
  return command;
}

void Device::Do(Call& call, const virtio_gpu_set_scanout_blob& request) {
  if (!Has(VIRTIO_GPU_F_RESOURCE_BLOB)) return Refuse(call);
  const Resource* resource = ScanoutTarget(call, request.scanout_id, request.resource_id);
  if (resource == nullptr) return;
  const Rect rect = ToRect(request.r);
  const auto format = FindFormat(request.format);
  const bool is_shown_as = resource->blob && resource->blob->is_guest_memory() && format &&
                           request.width <= kMaxDimension && request.height <= kMaxDimension &&
                           !rect.empty() && Fits(rect, request.width, request.height);
  if (!is_shown_as || !FramebufferFits(request, resource->blob->create.size_bytes)) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, StatsError::kInvalidParameter,
                "no blob of guest memory, a format that virtio does not list, or a framebuffer or "
                "rectangle that does not fit");
  }
  const BlobView view{resource->id, rect, request.offsets[0], request.strides[0], format->order,
                      nullptr,      true};
  if (!ShowBlobOn(request.scanout_id, *resource, view)) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, StatsError::kOutOfMemory,
                "the host has no memory for the picture, or over the limit of bytes");
  }
  scanout_resources_[request.scanout_id] = resource->id;
  Ok(call);
}

bool Device::ShowBlobOn(uint32_t scanout_id, const Resource& resource, BlobView view) {
  BlobView& shown = blob_views_[scanout_id];
  // A page flip: the picture before stays until the next flush.
  const bool same_size = shown.surface != nullptr && shown.rect.width == view.rect.width &&
                         shown.rect.height == view.rect.height;
  view.surface = same_size ? shown.surface : MakeHeadSurface(scanout_id, view.rect);
  if (view.surface == nullptr) return false;
  shown = std::move(view);
  // A new picture starts as what is there.
  if (!same_size && !options_.headless) CopyBlob(shown, resource, shown.rect);
  readbacks_[scanout_id] = {};
  display_.SetScanout(scanout_id, shown.surface, {0, 0, shown.rect.width, shown.rect.height});
  return true;
}

std::shared_ptr<Surface> Device::MakeHeadSurface(uint32_t scanout_id, const Rect& rect) {
  uint64_t bytes = uint64_t{rect.width} * rect.height * kBytesPerPixel;
  for (uint32_t id = 0; id < VIRTIO_GPU_MAX_SCANOUTS; ++id) {
    if (id == scanout_id) continue;
    for (const Surface* other : {readbacks_[id].surface.get(), blob_views_[id].surface.get()})
      if (other != nullptr) bytes += other->stride_bytes() * other->height();
  }
  // Beside the resources: a guest that has used up its share of those still gets its screen.
  if (bytes > options_.limits.resource_bytes) return nullptr;
  auto surface = Surface::Create(rect.width, rect.height);
  return surface.ok() ? *std::move(surface) : nullptr;
}

void Device::FlushBlob(Call& call, const Resource& resource, const Rect& rect) {
  if (!EndsIn32Bits(rect)) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, StatsError::kInvalidParameter,
                "a rectangle whose end wraps");
  }
  if (options_.headless) return Ok(call);
  bool whole = true;
  for (BlobView& view : blob_views_) {
    if (view.resource_id == resource.id) whole = CopyBlob(view, resource, rect) && whole;
  }
  if (whole) return Ok(call);
  Fail(call, VIRTIO_GPU_RESP_ERR_UNSPEC, StatsError::kMemoryLost,
       "the blob has no memory, or it is gone");
}

bool Device::CopyBlob(BlobView& view, const Resource& resource, const Rect& flushed) {
  const Rect part =
      std::exchange(view.all_stale, false) ? view.rect : Intersect(flushed, view.rect);
  if (part.empty()) return true;
  if (!resource.backing) return false;
  const Rect shown{part.x - view.rect.x, part.y - view.rect.y, part.width, part.height};
  const CopyResult result = CopyFromBacking(*resource.backing, view.OffsetOf(part.x, part.y),
                                            view.stride_bytes, view.order, shown, *view.surface);
  stats_.Count(StatsValue::kBytes2d, uint64_t{part.width} * part.height * kBytesPerPixel);
  display_.NoteChanges(*view.surface, shown);
  display_.Flush(*view.surface, shown);
  return result == CopyResult::kDone;
}

std::shared_ptr<Surface> Device::CursorOfBlob(const Resource& resource) {
  constexpr uint64_t kStride = wire::kCursorSize * kBytesPerPixel;
  const bool has_bytes = resource.blob->is_guest_memory() && resource.backing.has_value() &&
                         resource.blob->create.size_bytes >= kStride * wire::kCursorSize;
  if (!has_bytes) return nullptr;
  auto surface = Surface::Create(wire::kCursorSize, wire::kCursorSize);
  if (!surface.ok()) return nullptr;
  const Rect all{0, 0, wire::kCursorSize, wire::kCursorSize};
  const CopyResult result =
      CopyFromBacking(*resource.backing, 0, kStride, PixelOrder::kBgra, all, **surface);
  return result == CopyResult::kDone ? *std::move(surface) : nullptr;
}

void Device::DemoteBlob(Resource& resource) {
  resource.blob->in_gl = false;
  resource.blob->lost = !resource.blob->is_guest_memory();
  for (auto& [id, context] : contexts_) {
    if (Contains(context.resources, resource.id) && !Contains(context.not_in_gl, resource.id))
      context.not_in_gl.push_back(resource.id);
  }
}

// Mapping needs a region of memory that the frontend shares with the guest.
void Device::Do(Call& call, const virtio_gpu_resource_map_blob&) { Refuse(call); }
void Device::Do(Call& call, const virtio_gpu_resource_unmap_blob&) { Refuse(call); }

}  // namespace rendercar::gpu
