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

void Device::DisableScanout(uint32_t id) {
  scanout_resources_[id] = 0;
  readbacks_[id] = {};
  blob_views_[id] = {};
  display_.DisableScanout(id);
}

void Device::DisableScanoutsOf(const Resource& resource) {
  for (uint32_t id = 0; id < scanout_resources_.size(); ++id) {
    if (scanout_resources_[id] == resource.id) DisableScanout(id);
  }
}

bool Device::CheckScanoutId(Call& call, uint32_t scanout_id) {
  if (scanout_id < VIRTIO_GPU_MAX_SCANOUTS) return true;
  Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID, StatsError::kInvalidScanout,
       "there is no scanout of this number");
  return false;
}

Resource* Device::ScanoutTarget(Call& call, uint32_t scanout_id, uint32_t resource_id) {
  if (!CheckScanoutId(call, scanout_id)) return nullptr;
  if (resource_id == 0) {
    DisableScanout(scanout_id);
    Ok(call);
    return nullptr;
  }
  Resource* resource = resources_.Find(resource_id);
  if (resource == nullptr) FailInvalidResource(call);
  return resource;
}

bool Device::ShowOn(uint32_t scanout_id, Resource& resource, const Rect& rect) {
  if (resource.in_gl()) return ShowGlOn(scanout_id, resource, rect);
  if (SurfaceOf(resource) == nullptr) return false;
  readbacks_[scanout_id] = {};
  blob_views_[scanout_id] = {};
  display_.SetScanout(scanout_id, resource.surface, rect);
  return true;
}

void Device::Do(Call& call, const virtio_gpu_set_scanout& request) {
  Resource* resource = ScanoutTarget(call, request.scanout_id, request.resource_id);
  if (resource == nullptr) return;
  const Rect rect = ToRect(request.r);
  if (rect.empty() || !Fits(rect, resource->width, resource->height) || !resource->showable) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, StatsError::kInvalidParameter,
                "an empty rectangle, one outside the resource, or a format that cannot be shown");
  }
  if (!ShowOn(request.scanout_id, *resource, rect)) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, StatsError::kOutOfMemory,
                "the host has no memory for the resource");
  }
  scanout_resources_[request.scanout_id] = request.resource_id;
  Ok(call);
}

void Device::Do(Call& call, const virtio_gpu_resource_flush& request) {
  Resource* resource = resources_.Find(request.resource_id);
  if (resource == nullptr) return FailInvalidResource(call);
  const Rect rect = ToRect(request.r);
  if (resource->blob) return FlushBlob(call, *resource, rect);
  if (!Fits(rect, resource->width, resource->height)) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, StatsError::kInvalidParameter,
                "a rectangle outside the resource");
  }
  if (resource->in_gl()) {
    FlushGl(*resource, rect);
  } else if (resource->surface != nullptr) {
    display_.Flush(*resource->surface, rect);
  }
  Ok(call);
}

void Device::Do(Call& call, const wire::UpdateCursor& request) {
  const virtio_gpu_update_cursor& cursor = request.wire;
  if (!CheckScanoutId(call, cursor.pos.scanout_id)) return;
  // Whatever image is still being read is not the latest any more.
  cursor_readback_.token = 0;
  if (cursor.resource_id == 0) {
    display_.SetCursor(cursor.pos, cursor.hot_x, cursor.hot_y, nullptr);
    return Ok(call);
  }
  Resource* resource = resources_.Find(cursor.resource_id);
  if (resource == nullptr) return FailInvalidResource(call);
  if (resource->blob) {
    const auto picture = CursorOfBlob(*resource);
    if (picture == nullptr) {
      return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, StatsError::kInvalidParameter,
                  "a blob that does not hold a cursor of 64x64");
    }
    display_.SetCursor(cursor.pos, cursor.hot_x, cursor.hot_y, ToCursorImage(*picture, true));
    return Ok(call);
  }
  if (resource->width != wire::kCursorSize || resource->height != wire::kCursorSize ||
      !resource->showable) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, StatsError::kInvalidParameter,
                "a cursor that is not 64x64, or of a format that cannot be shown");
  }
  if (resource->in_gl()) {
    ReadCursor(*resource, cursor);
    return Ok(call);
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
  if (!CheckScanoutId(call, request.wire.pos.scanout_id)) return;
  if (cursor_readback_.token != 0 &&
      cursor_readback_.update.pos.scanout_id == request.wire.pos.scanout_id)
    cursor_readback_.update.pos = request.wire.pos;
  display_.MoveCursor(request.wire.pos);
  Ok(call);
}

}  // namespace rendercar::gpu
