// What GL drew, on the way to the display.
// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <utility>

#include "backend/gpu/device.h"
#include "backend/gpu/tile_copy.h"

namespace rendercar::gpu {
namespace {

// The picture before, so that a head does not flash black between two of the same size.
void CopyShown(const Scanout& scanout, Surface& out) {
  const Rect& rect = scanout.rect();
  if (!scanout.enabled() || rect.width != out.width() || rect.height != out.height()) return;
  for (uint32_t y = 0; y < rect.height; ++y)
    std::memcpy(out.pixel(0, y), scanout.surface()->pixel(rect.x, rect.y + y), out.stride_bytes());
}

bool IsWhole(const Rect& rect, const Resource& resource) {
  return rect == Rect{0, 0, resource.width, resource.height};
}

}  // namespace

bool Device::ShowGlOn(uint32_t scanout_id, Resource& resource, const Rect& rect) {
  Readback& readback = readbacks_[scanout_id];
  const bool same_size = readback.surface != nullptr && readback.rect.width == rect.width &&
                         readback.rect.height == rect.height;
  if (!same_size) {
    auto surface = MakeHeadSurface(scanout_id, rect);
    if (surface == nullptr) return false;
    readback = {};
    readback.surface = std::move(surface);
    readback.wanted = {0, 0, rect.width, rect.height};
    CopyShown(display_.scanout(scanout_id), *readback.surface);
  }
  blob_views_[scanout_id] = {};
  readback.resource_id = resource.id;
  readback.rect = rect;
  readback.order = resource.pixels.order;
  const bool may_export = options_.dmabufs && !resource.cannot_export && IsWhole(rect, resource);
  if (may_export && resource.exported != nullptr) {
    display_.SetDmabuf(scanout_id, resource.exported);
    return true;
  }
  readback.awaits_export = may_export && AskForExport(resource);
  if (!readback.awaits_export)
    display_.SetScanout(scanout_id, readback.surface, {0, 0, rect.width, rect.height});
  return true;
}

bool Device::AskForExport(const Resource& resource) {
  if (resource.cannot_export || !renderer_.running() || quiescing_ || link_.blocked()) return false;
  for (const auto& [token, id] : exports_) {
    if (id == resource.id) return true;
  }
  const uint64_t token = NextInternalToken();
  const absl::Status status =
      link_.Send(ExportScanout{resource.id}, Completion::kExecuted, {}, token);
  rendered_ = true;
  if (!status.ok() && !absl::IsResourceExhausted(status)) return false;
  exports_[token] = resource.id;
  return true;
}

void Device::OnExported(uint64_t token, std::shared_ptr<const ExportedBuffer> buffer) {
  const auto found = exports_.find(token);
  Resource* resource = found == exports_.end() ? nullptr : resources_.Find(found->second);
  // The size is the renderer's word; what does not match is not shown.
  if (resource == nullptr || buffer->width != resource->width || buffer->height != resource->height)
    return;
  resource->exported = std::move(buffer);
  ShowExported(*resource);
}

void Device::OnNotExported(Resource& resource) {
  resource.cannot_export = true;
  for (uint32_t id = 0; id < readbacks_.size(); ++id) {
    Readback& readback = readbacks_[id];
    if (readback.resource_id != resource.id || !readback.awaits_export) continue;
    readback.awaits_export = false;
    readback.wanted = {0, 0, readback.rect.width, readback.rect.height};
    display_.SetScanout(id, readback.surface, readback.wanted);
    StartRead(readback);
  }
}

void Device::ShowExported(const Resource& resource) {
  for (uint32_t id = 0; id < readbacks_.size(); ++id) {
    Readback& readback = readbacks_[id];
    if (readback.resource_id != resource.id || !readback.awaits_export) continue;
    readback.awaits_export = false;
    display_.SetDmabuf(id, resource.exported);
  }
}

void Device::FlushGl(Resource& resource, const Rect& rect) {
  if (options_.headless) return;  // nobody sees it
  for (uint32_t id = 0; id < readbacks_.size(); ++id) {
    Readback& readback = readbacks_[id];
    if (readback.resource_id != resource.id) continue;
    const Rect part = Intersect(rect, readback.rect);
    if (part.empty()) continue;
    // After a page flip or a renderer's death the viewer keeps what it has until the memory that
    // follows is known.
    if (readback.awaits_export || display_.shows_dmabuf(id)) {
      readback.awaits_export = resource.exported == nullptr;
      if (readback.awaits_export) (void)AskForExport(resource);
      if (!readback.awaits_export) display_.FlushDmabuf(id, part);
      continue;
    }
    if (readback.token != 0) stats_.Count(StatsValue::kFramesCoalesced);
    readback.wanted = Unite(readback.wanted, {part.x - readback.rect.x, part.y - readback.rect.y,
                                              part.width, part.height});
    StartRead(readback);
  }
}

void Device::StartRead(Readback& readback) {
  if (readback.wanted.empty() || readback.token != 0 || quiescing_ || !renderer_.running() ||
      link_.blocked())
    return;
  if (readback.pixels == nullptr) {
    auto pixels = renderer_.AllocatePixels(readback.stride_bytes() * readback.rect.height);
    if (!pixels.ok()) return;
    readback.pixels = *std::move(pixels);
  }
  const Rect part = std::exchange(readback.wanted, {});
  ReadPixels read;
  read.resource_id = readback.resource_id;
  read.box = {readback.rect.x + part.x, readback.rect.y + part.y, 0, part.width, part.height, 1};
  read.pixels_id = readback.pixels->id();
  read.offset_bytes = readback.OffsetOf(part);
  read.stride_bytes = static_cast<uint32_t>(readback.stride_bytes());
  const uint64_t token = NextInternalToken();
  const absl::Status status = link_.Send(read, Completion::kExecuted, {}, token);
  rendered_ = true;
  if (!status.ok() && !absl::IsResourceExhausted(status)) return;
  readback.token = token;
  readback.reading = part;
}

void Device::StartWantedReads() {
  for (Readback& readback : readbacks_) {
    if (readback.resource_id != 0) StartRead(readback);
  }
}

void Device::ReadCursor(const Resource& resource, const virtio_gpu_update_cursor& update) {
  if (!renderer_.running() || options_.headless) return;
  CursorReadback& cursor = cursor_readback_;
  if (cursor.pixels == nullptr) {
    auto pixels = renderer_.AllocatePixels(sizeof(CursorImage));
    if (!pixels.ok()) return;
    cursor.pixels = *std::move(pixels);
  }
  ReadPixels read;
  read.resource_id = resource.id;
  read.box = {0, 0, 0, wire::kCursorSize, wire::kCursorSize, 1};
  read.pixels_id = cursor.pixels->id();
  read.stride_bytes = wire::kCursorSize * kBytesPerPixel;
  const uint64_t token = NextInternalToken();
  const absl::Status status = link_.Send(read, Completion::kExecuted, {}, token);
  rendered_ = true;
  if (!status.ok() && !absl::IsResourceExhausted(status)) return;
  cursor.token = token;
  cursor.format = resource.pixels;
  cursor.update = update;
}

bool Device::OnReadDone(uint64_t token, RenderResult result) {
  if (const auto found = exports_.find(token); found != exports_.end()) {
    Resource* resource = resources_.Find(found->second);
    exports_.erase(found);
    const bool refused = result != RenderResult::kRendererDied;
    if (resource != nullptr && resource->exported == nullptr && refused) OnNotExported(*resource);
    return true;
  }
  if (token == cursor_readback_.token) {
    OnCursorRead(result);
    return true;
  }
  for (uint32_t id = 0; id < readbacks_.size(); ++id) {
    if (readbacks_[id].token != token) continue;
    OnScanoutRead(id, result);
    return true;
  }
  return false;
}

void Device::OnScanoutRead(uint32_t scanout_id, RenderResult result) {
  Readback& readback = readbacks_[scanout_id];
  readback.token = 0;
  if (result == RenderResult::kRendererDied) return;
  if (result == RenderResult::kOk) {
    const auto source = readback.pixels->bytes().subspan(readback.OffsetOf(readback.reading));
    CopyFromMemory(source, readback.stride_bytes(), readback.order, readback.reading,
                   *readback.surface);
    display_.NoteChanges(*readback.surface, readback.reading);
    display_.Flush(*readback.surface, readback.reading);
  } else if (error_log_.Allow()) {
    log::Warning("a scanout could not be read back",
                 {{"scanout", scanout_id}, {"resource", readback.resource_id}});
  }
  StartRead(readback);
}

void Device::OnCursorRead(RenderResult result) {
  CursorReadback& cursor = cursor_readback_;
  cursor.token = 0;
  if (result != RenderResult::kOk) return;
  auto image = std::make_unique<CursorImage>();
  ConvertToBgra(cursor.format.order, cursor.pixels->bytes().data(),
                std::as_writable_bytes(std::span(*image)).data(), image->size());
  if (!cursor.format.has_alpha) {
    for (uint32_t& pixel : *image) pixel |= 0xff000000u;
  }
  display_.SetCursor(cursor.update.pos, cursor.update.hot_x, cursor.update.hot_y, std::move(image));
}

void Device::ForgetReads() {
  for (Readback& readback : readbacks_) readback = {};
  for (BlobView& view : blob_views_) view = {};
  cursor_readback_ = {};
  exports_.clear();
}

}  // namespace rendercar::gpu
