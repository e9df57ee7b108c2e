// Commands that show: scanouts, flush, cursor.
// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <utility>

#include "backend/gpu/device.h"

namespace rendercar::gpu {
namespace {

// Pixels without alpha are opaque.
std::unique_ptr<CursorImage> ToCursorImage(const Surface& surface, bool has_alpha) {
  auto image = std::make_unique<CursorImage>();
  std::memcpy(image->data(), surface.pixel(0, 0), sizeof(*image));
  if (!has_alpha) {
    for (uint32_t& pixel : *image) pixel |= 0xff000000u;
  }
  return image;
}

}  // namespace

void Device::DisableScanoutsOf(const Resource& resource) {
  for (uint32_t id = 0; id < scanout_resources_.size(); ++id) {
    if (scanout_resources_[id] != resource.id) continue;
    scanout_resources_[id] = 0;
    display_.DisableScanout(id);
  }
}

void Device::Do(Call& call, const virtio_gpu_set_scanout& request) {
  if (request.scanout_id >= VIRTIO_GPU_MAX_SCANOUTS) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID, StatsError::kInvalidScanout,
                "there is no scanout of this number");
  }
  if (request.resource_id == 0) {
    scanout_resources_[request.scanout_id] = 0;
    display_.DisableScanout(request.scanout_id);
    return Ok(call);
  }
  Resource* resource = resources_.Find(request.resource_id);
  if (resource == nullptr) return FailInvalidResource(call);
  const Rect rect = ToRect(request.r);
  if (rect.empty() || !Fits(rect, resource->width, resource->height)) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, StatsError::kInvalidParameter,
                "an empty rectangle, or one outside the resource");
  }
  if (SurfaceOf(*resource) == nullptr) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, StatsError::kOutOfMemory,
                "the host has no memory for the resource");
  }
  scanout_resources_[request.scanout_id] = request.resource_id;
  display_.SetScanout(request.scanout_id, resource->surface, rect);
  Ok(call);
}

void Device::Do(Call& call, const virtio_gpu_resource_flush& request) {
  Resource* resource = resources_.Find(request.resource_id);
  if (resource == nullptr) return FailInvalidResource(call);
  const Rect rect = ToRect(request.r);
  if (!Fits(rect, resource->width, resource->height)) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, StatsError::kInvalidParameter,
                "a rectangle outside the resource");
  }
  if (resource->surface != nullptr) display_.Flush(*resource->surface, rect);
  Ok(call);
}

void Device::Do(Call& call, const wire::UpdateCursor& request) {
  const virtio_gpu_update_cursor& cursor = request.wire;
  if (cursor.pos.scanout_id >= VIRTIO_GPU_MAX_SCANOUTS) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID, StatsError::kInvalidScanout,
                "there is no scanout of this number");
  }
  if (cursor.resource_id == 0) {
    display_.SetCursor(cursor.pos, cursor.hot_x, cursor.hot_y, nullptr);
    return Ok(call);
  }
  Resource* resource = resources_.Find(cursor.resource_id);
  if (resource == nullptr) return FailInvalidResource(call);
  if (resource->width != wire::kCursorSize || resource->height != wire::kCursorSize) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, StatsError::kInvalidParameter,
                "a cursor that is not 64x64");
  }
  if (SurfaceOf(*resource) == nullptr) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, StatsError::kOutOfMemory,
                "the host has no memory for the resource");
  }
  display_.SetCursor(cursor.pos, cursor.hot_x, cursor.hot_y,
                     ToCursorImage(*resource->surface, resource->pixels.has_alpha));
  Ok(call);
}

void Device::Do(Call& call, const wire::MoveCursor& request) {
  if (request.wire.pos.scanout_id >= VIRTIO_GPU_MAX_SCANOUTS) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID, StatsError::kInvalidScanout,
                "there is no scanout of this number");
  }
  display_.MoveCursor(request.wire.pos);
  Ok(call);
}

}  // namespace rendercar::gpu
