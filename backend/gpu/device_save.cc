// The device on its way to a successor process.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "backend/gpu/device.h"

namespace rendercar::gpu {
namespace {

constexpr uint64_t kPageBytes = 4096;

// Numbers pictures in the order in which they are met.
class PictureNumbers {
 public:
  explicit PictureNumbers(SavedDevice& saved) : saved_(saved) {}

  uint32_t NumberOf(const std::shared_ptr<Surface>& surface) {
    if (surface == nullptr) return kNoSurface;
    const auto next = static_cast<uint32_t>(saved_.pictures.size());
    const auto [found, is_new] = numbers_.emplace(surface.get(), next);
    if (is_new) Add(surface);
    return found->second;
  }

 private:
  void Add(const std::shared_ptr<Surface>& surface) {
    SurfaceState& state = saved_.state.surfaces.emplace_back();
    state = {surface->width(), surface->height(), end_};
    end_ += (state.size_bytes() + kPageBytes - 1) / kPageBytes * kPageBytes;
    saved_.pictures.push_back(surface);
  }

  SavedDevice& saved_;
  absl::flat_hash_map<const Surface*, uint32_t> numbers_;
  uint64_t end_ = 0;
};

ResourceState ToState(const Resource& resource, PictureNumbers& pictures) {
  ResourceState state;
  state.id = resource.id;
  state.kind = static_cast<uint32_t>(resource.kind);
  state.width = resource.width;
  state.height = resource.height;
  state.format = resource.format;
  state.host_bytes = resource.host_bytes;
  if (resource.backing)
    state.backing.emplace(resource.backing->ranges().begin(), resource.backing->ranges().end());
  state.surface = pictures.NumberOf(resource.surface);
  state.uuid = resource.uuid;
  state.create3d = resource.create3d;
  state.cannot_export = resource.cannot_export;
  state.uploads = resource.uploads;
  if (resource.blob)
    state.blob = BlobState{resource.blob->create, resource.blob->in_gl, resource.blob->lost};
  return state;
}

}  // namespace

void Device::Freeze() {
  Quiesce();
  quiescing_ = true;  // and it stays so
  display_.Freeze();
}

void Device::Thaw() {
  quiescing_ = false;
  display_.Thaw();
  // A successor's: contexts are made anew before the guest asks.
  if (!contexts_.empty() && !renderer_.running() && !renderer_.off())
    ScheduleRestart(kRestartTries);
  Settle();
}

SavedDevice Device::Save(wire::LeftFds& fds) {
  SavedDevice saved;
  DeviceState& state = saved.state;
  PictureNumbers pictures(saved);
  state.features = features();
  state.driver_features = driver_features_;
  state.capsets = options_.capabilities.capsets;
  state.renderer = renderer_.history();
  resources_.ForEach(
      [&](const Resource& resource) { state.resources.push_back(ToState(resource, pictures)); });
  for (const auto& [id, context] : contexts_)
    state.contexts.push_back({context.create, context.poisoned, context.resources});
  for (size_t id = 0; id < state.heads.size(); ++id) {
    const Readback& readback = readbacks_[id];
    const BlobView& view = blob_views_[id];
    HeadState& head = state.heads[id];
    head.resource_id = scanout_resources_[id];
    head.readback = {readback.resource_id, readback.rect, readback.order, readback.awaits_export,
                     pictures.NumberOf(readback.surface)};
    head.blob_view = {view.resource_id,
                      view.rect,
                      view.offset,
                      view.stride_bytes,
                      view.order,
                      view.all_stale,
                      pictures.NumberOf(view.surface)};
  }
  display_.Save(state, fds, [&](const auto& surface) { return pictures.NumberOf(surface); });
  return saved;
}

}  // namespace rendercar::gpu
