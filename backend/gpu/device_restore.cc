// The device in a successor process: what its predecessor left is checked as if a guest had sent
// it.
// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <utility>

#include "backend/gpu/device.h"

namespace rendercar::gpu {
namespace {

constexpr uint32_t kTargetBuffer = 0;  // PIPE_BUFFER

absl::Status Wrong(const char* what) {
  return absl::InvalidArgumentError(absl::StrCat("the state that was handed over has ", what));
}

bool SameCapset(const Capset& a, const Capset& b) {
  return a.id == b.id && a.max_version == b.max_version && a.data == b.data;
}

absl::StatusOr<std::shared_ptr<Surface>> ToSurface(const SurfaceState& state,
                                                   std::span<const std::byte> pixels) {
  if (state.width == 0 || state.height == 0 || state.width > kMaxDimension ||
      state.height > kMaxDimension || state.offset_bytes > pixels.size() ||
      state.size_bytes() > pixels.size() - state.offset_bytes)
    return Wrong("a picture without its pixels");
  RC_ASSIGN_OR_RETURN(std::shared_ptr<Surface> surface, Surface::Create(state.width, state.height));
  CopyPages(pixels.data() + state.offset_bytes, surface->pixel(0, 0), state.size_bytes());
  return surface;
}

bool IsKind(uint32_t kind) { return kind <= static_cast<uint32_t>(Resource::Kind::kBlob); }

// Whether the parts that its kind needs are there, and fit each other.
bool IsWhole(const ResourceState& state, const Surface* surface) {
  const auto kind = static_cast<Resource::Kind>(state.kind);
  if (surface != nullptr && (surface->width() != state.width || surface->height() != state.height))
    return false;
  switch (kind) {
    case Resource::Kind::k2d:
      return !state.blob && FindFormat(state.format) && state.width != 0 && state.height != 0 &&
             state.width <= kMaxDimension && state.height <= kMaxDimension;
    case Resource::Kind::k3d:
      return !state.blob && state.create3d.has_value();
    case Resource::Kind::kBlob:
      return state.blob && !state.create3d && surface == nullptr;
  }
  return false;
}

void SetFormat(Resource& resource) {
  const auto format = resource.kind == Resource::Kind::k2d ? FindFormat(resource.format)
                                                           : FindFormat3d(resource.format);
  resource.pixels = format.value_or(PixelFormat{});
  const bool is_buffer = resource.create3d && resource.create3d->target == kTargetBuffer;
  resource.showable = format.has_value() && !is_buffer && resource.kind != Resource::Kind::kBlob;
}

bool HasSize(const std::shared_ptr<Surface>& surface, const Rect& rect) {
  return surface != nullptr && surface->width() == rect.width && surface->height() == rect.height;
}

}  // namespace

absl::Status Device::CheckPromises(const DeviceState& state) const {
  if ((state.features & ~features()) != 0 || (state.driver_features & ~features()) != 0)
    return absl::FailedPreconditionError(
        "the new backend lacks features that this guest was offered; it takes effect for the VM's "
        "next start");
  const auto& capsets = options_.capabilities.capsets;
  const bool same = std::equal(capsets.begin(), capsets.end(), state.capsets.begin(),
                               state.capsets.end(), SameCapset);
  if (same || (state.features & (uint64_t{1} << VIRTIO_GPU_F_VIRGL)) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "the new renderer offers other 3D capabilities than this guest was promised; it takes effect "
      "for the VM's next start");
}

absl::Status Device::RestoreResource(ResourceState& state, std::shared_ptr<Surface> surface) {
  if (state.id == 0 || resources_.Find(state.id) != nullptr || !IsKind(state.kind) ||
      !IsWhole(state, surface.get()))
    return Wrong("a resource that cannot be one");
  if (!resources_.HasRoom(state.host_bytes) ||
      (state.backing && !resources_.HasRoomForBacking(state.backing->size())))
    return Wrong("more resources, bytes of them or backing entries than the limits allow");
  auto resource = std::make_unique<Resource>();
  resource->id = state.id;
  resource->kind = static_cast<Resource::Kind>(state.kind);
  resource->width = state.width;
  resource->height = state.height;
  resource->format = state.format;
  resource->host_bytes = state.host_bytes;
  if (state.backing) resource->backing.emplace(*std::move(state.backing), memory_.get());
  resource->surface = std::move(surface);
  resource->uuid = state.uuid;
  resource->create3d = state.create3d;
  resource->cannot_export = state.cannot_export;
  resource->uploads = std::move(state.uploads);
  if (state.blob) resource->blob = Blob{state.blob->create, state.blob->in_gl, state.blob->lost};
  SetFormat(*resource);
  resources_.Add(std::move(resource));
  return absl::OkStatus();
}

absl::Status Device::RestoreContext(const ContextState& state) {
  const uint32_t id = state.create.ctx_id;
  attachments_ += state.resources.size();
  if (id == 0 || contexts_.contains(id) || contexts_.size() >= options_.limits.contexts ||
      attachments_ > options_.limits.attachments ||
      state.create.debug_name_len > state.create.debug_name.size())
    return Wrong("a context that cannot be one, or more than the limits allow");
  Context& context = contexts_[id];
  context.create = state.create;
  context.poisoned = state.poisoned;
  for (const uint32_t resource_id : state.resources) {
    const Resource* resource = resources_.Find(resource_id);
    if (resource == nullptr) return Wrong("a context with a resource that is none");
    context.resources.push_back(resource_id);
    if (!resource->in_gl()) context.not_in_gl.push_back(resource_id);
  }
  return absl::OkStatus();
}

absl::Status Device::RestoreHeads(const DeviceState& state,
                                  const std::vector<std::shared_ptr<Surface>>& surfaces) {
  const auto find = [&](uint32_t number) {
    return number < surfaces.size() ? surfaces[number] : nullptr;
  };
  for (size_t id = 0; id < state.heads.size(); ++id) {
    const HeadState& head = state.heads[id];
    const ReadbackState& readback = head.readback;
    const BlobViewState& view = head.blob_view;
    for (const uint32_t shown : {head.resource_id, readback.resource_id, view.resource_id})
      if (shown != 0 && resources_.Find(shown) == nullptr)
        return Wrong("a head that shows no resource");
    scanout_resources_[id] = head.resource_id;
    if (const Resource* resource = resources_.Find(readback.resource_id)) {
      if (!Fits(readback.rect, resource->width, resource->height) ||
          !HasSize(find(readback.surface), readback.rect))
        return Wrong("a head without a picture");
      readbacks_[id].resource_id = readback.resource_id;
      readbacks_[id].rect = readback.rect;
      readbacks_[id].order = readback.order;
      readbacks_[id].awaits_export = readback.awaits_export;
      readbacks_[id].surface = find(readback.surface);
    }
    if (view.resource_id != 0) {
      if (!HasSize(find(view.surface), view.rect)) return Wrong("a head without a picture");
      blob_views_[id] = {view.resource_id, view.rect,          view.offset,   view.stride_bytes,
                         view.order,       find(view.surface), view.all_stale};
    }
  }
  return absl::OkStatus();
}

absl::Status Device::Restore(DeviceState& state, wire::TakenFds& fds,
                             std::span<const std::byte> pixels) {
  quiescing_ = true;
  display_.Freeze();
  RC_RETURN_IF_ERROR(CheckPromises(state));
  driver_features_ = state.driver_features;
  renderer_.Remember(state.renderer);
  uint64_t bytes = 0;
  std::vector<std::shared_ptr<Surface>> surfaces;
  for (const SurfaceState& surface : state.surfaces) {
    bytes += surface.size_bytes();
    // Resources, and once more what heads show of them.
    if (bytes / 2 > options_.limits.resource_bytes) return Wrong("more pixels than the limit");
    RC_ASSIGN_OR_RETURN(surfaces.emplace_back(), ToSurface(surface, pixels));
  }
  const auto surface_of = [&](uint32_t number) {
    return number < surfaces.size() ? surfaces[number] : nullptr;
  };
  for (ResourceState& resource : state.resources)
    RC_RETURN_IF_ERROR(RestoreResource(resource, surface_of(resource.surface)));
  for (const ContextState& context : state.contexts) RC_RETURN_IF_ERROR(RestoreContext(context));
  stats_.Set(StatsValue::kContexts, contexts_.size());
  RC_RETURN_IF_ERROR(RestoreHeads(state, surfaces));
  RC_RETURN_IF_ERROR(display_.Restore(state, fds.Take(state.display.socket), surface_of));
  LoseRenderer();
  return absl::OkStatus();
}

}  // namespace rendercar::gpu
