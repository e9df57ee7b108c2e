// A device's state into bytes and back.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/device_state.h"

#include <algorithm>
#include <cstring>

namespace rendercar::gpu {
namespace {

constexpr uint64_t kPageBytes = 4096;

// Bounds of what is read, far above every limit that a guest can have.
constexpr size_t kMaxResources = 1u << 20;
constexpr size_t kMaxRanges = 1u << 22;
constexpr size_t kMaxContexts = 1u << 16;
constexpr size_t kMaxCapsets = 64;
constexpr size_t kMaxCapsetBytes = 1u << 16;
constexpr size_t kMaxUploads = 64;
constexpr size_t kMaxDisplayBytes = 1u << 24;
constexpr size_t kMaxPending = 1u << 16;
constexpr size_t kMaxDeaths = 1024;
constexpr size_t kMaxText = 4096;

template <typename Codec>
void Fields(Codec& codec, Rect& rect) {
  codec.Numbers(rect.x, rect.y, rect.width, rect.height);
}

template <typename Codec>
void Fields(Codec& codec, CreateResource3d& create) {
  codec.Numbers(create.resource_id, create.target, create.format, create.bind, create.width,
                create.height, create.depth, create.array_size, create.last_level,
                create.nr_samples, create.flags);
}

template <typename Codec>
void Fields(Codec& codec, Transfer& transfer) {
  codec.Enum(transfer.direction, Transfer::Direction::kFromHost);
  Box& box = transfer.box;
  codec.Numbers(transfer.ctx_id, transfer.resource_id, box.x, box.y, box.z, box.w, box.h, box.d,
                transfer.offset, transfer.level, transfer.stride, transfer.layer_stride);
}

template <typename Codec>
void Fields(Codec& codec, BlobState& blob) {
  CreateBlob& create = blob.create;
  codec.Numbers(create.resource_id, create.ctx_id, create.blob_mem, create.blob_flags,
                create.blob_id, create.size_bytes);
  codec.Flags(blob.in_gl, blob.lost);
}

template <typename Codec>
void Fields(Codec& codec, std::vector<GuestRange>& ranges) {
  codec.List(ranges, kMaxRanges,
             [&codec](GuestRange& range) { codec.Numbers(range.guest_addr, range.size_bytes); });
}

template <typename Codec>
void Fields(Codec& codec, ResourceState& resource) {
  const auto fields = [&codec](auto& value) { Fields(codec, value); };
  codec.Numbers(resource.id, resource.kind, resource.width, resource.height, resource.format,
                resource.host_bytes, resource.surface);
  codec.Optional(resource.backing, fields);
  codec.Optional(resource.uuid, [&codec](auto& uuid) { codec.Raw(uuid); });
  codec.Optional(resource.create3d, fields);
  codec.Flags(resource.cannot_export);
  codec.List(resource.uploads, kMaxUploads, fields);
  codec.Optional(resource.blob, fields);
}

template <typename Codec>
void Fields(Codec& codec, ContextState& context) {
  CreateContext& create = context.create;
  codec.Numbers(create.ctx_id, create.context_init, create.debug_name_len);
  codec.Raw(create.debug_name);
  codec.Flags(context.poisoned);
  codec.List(context.resources, kMaxResources, [&codec](uint32_t& id) { codec.Numbers(id); });
}

template <typename Codec>
void Fields(Codec& codec, HeadState& head) {
  ReadbackState& readback = head.readback;
  BlobViewState& view = head.blob_view;
  codec.Numbers(head.resource_id, head.surface, head.announced_width, head.announced_height);
  Fields(codec, head.rect);
  codec.Flags(head.viewer_has_dmabuf);
  codec.Numbers(readback.resource_id, readback.surface);
  Fields(codec, readback.rect);
  codec.Enum(readback.order, PixelOrder::kAbgr);
  codec.Flags(readback.awaits_export);
  codec.Numbers(view.resource_id, view.surface, view.offset, view.stride_bytes);
  Fields(codec, view.rect);
  codec.Enum(view.order, PixelOrder::kAbgr);
  codec.Flags(view.all_stale);
  codec.Flags(head.cursor_known, head.cursor_visible, head.cursor_image_unsent,
              head.cursor_position_unsent);
  codec.Numbers(head.cursor_x, head.cursor_y, head.cursor_hot_x, head.cursor_hot_y);
  codec.Optional(head.cursor_image, [&codec](CursorImage& image) { codec.Raw(image); });
}

template <typename Codec>
void Fields(Codec& codec, DisplayState& display) {
  const auto byte = [&codec](std::byte& value) { codec.Raw(value); };
  codec.Numbers(display.socket, display.protocol_features);
  codec.Flags(display.negotiated, display.features_unsent);
  codec.Raw(display.info);
  codec.List(display.unsent, kMaxDisplayBytes, byte);
  codec.List(display.pending, kMaxPending, [&codec](uint32_t& value) { codec.Numbers(value); });
  codec.List(display.received, kMaxDisplayBytes, byte);
}

template <typename Codec>
void Fields(Codec& codec, RendererHistory& history) {
  codec.Numbers(history.failovers, history.deaths_in_a_row);
  codec.Flags(history.off, history.off_for_deaths);
  codec.Text(history.off_reason, kMaxText);
  codec.List(history.blamed_ms_ago, kMaxDeaths,
             [&codec](uint64_t& value) { codec.Numbers(value); });
}

template <typename Codec>
void Fields(Codec& codec, Capset& capset) {
  codec.Numbers(capset.id, capset.max_version);
  codec.List(capset.data, kMaxCapsetBytes, [&codec](std::byte& value) { codec.Raw(value); });
}

template <typename Codec>
void AllFields(Codec& codec, DeviceState& state) {
  const auto fields = [&codec](auto& value) { Fields(codec, value); };
  codec.Numbers(state.features, state.driver_features);
  codec.List(state.capsets, kMaxCapsets, fields);
  codec.List(state.surfaces, kMaxResources, [&codec](SurfaceState& surface) {
    codec.Numbers(surface.width, surface.height, surface.offset_bytes);
  });
  codec.List(state.resources, kMaxResources, fields);
  codec.List(state.contexts, kMaxContexts, fields);
  for (HeadState& head : state.heads) Fields(codec, head);
  Fields(codec, state.display);
  Fields(codec, state.renderer);
}

bool AllZero(const std::byte* bytes, size_t size) {
  return bytes[0] == std::byte{0} && std::memcmp(bytes, bytes + 1, size - 1) == 0;
}

}  // namespace

void CopyPages(const std::byte* from, std::byte* to, size_t size) {
  for (size_t at = 0; at < size; at += kPageBytes) {
    const size_t part = std::min<size_t>(kPageBytes, size - at);
    if (!AllZero(from + at, part)) std::memcpy(to + at, from + at, part);
  }
}

uint64_t DeviceState::pixel_bytes() const {
  uint64_t end = 0;
  for (const SurfaceState& surface : surfaces)
    end = std::max(end, surface.offset_bytes + surface.size_bytes());
  return (end + kPageBytes - 1) / kPageBytes * kPageBytes;
}

void CopyPictures(const DeviceState& state, const Pictures& pictures, std::span<std::byte> pixels) {
  for (size_t i = 0; i < pictures.size(); ++i) {
    const SurfaceState& surface = state.surfaces[i];
    CopyPages(pictures[i]->pixel(0, 0), pixels.data() + surface.offset_bytes, surface.size_bytes());
  }
}

void Encode(wire::StateEncoder& codec, DeviceState& state) { AllFields(codec, state); }
void Decode(wire::StateDecoder& codec, DeviceState& state) { AllFields(codec, state); }

}  // namespace rendercar::gpu
