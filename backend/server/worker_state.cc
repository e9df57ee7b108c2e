// The work thread's half of a session on its way to a successor process, and in it.
// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "backend/server/device_worker.h"

namespace rendercar::server {

absl::Status DeviceWorker::Freeze() {
  frozen_ = true;
  served_.device->Freeze();
  PublishUsed();
  for (auto& ring : rings_) ring->Freeze();
  if (!AnyInFlight()) return absl::OkStatus();
  Thaw();
  return absl::UnavailableError("requests of the guest cannot be answered now; try again");
}

void DeviceWorker::Thaw() {
  frozen_ = false;
  for (auto& ring : rings_) ring->Thaw();
  served_.device->Thaw();
  Schedule();
}

gpu::Pictures DeviceWorker::Save(WorkerState& state, wire::LeftFds& fds) {
  state.features = features_;
  state.has_memory = memory_ != nullptr;
  if (memory_ != nullptr) {
    for (const guest::Region& region : memory_->regions())
      state.regions.push_back({region.guest_addr(), region.bytes().size(), region.user_addr(),
                               region.mmap_offset(), fds.Put(region.fd())});
  }
  for (uint32_t i = 0; i < kQueues; ++i) state.rings[i] = rings_[i]->Save(fds);
  gpu::SavedDevice saved = served_.device->Save(fds);
  state.device = std::move(saved.state);
  return std::move(saved.pictures);
}

absl::Status DeviceWorker::Restore(WorkerState& state, wire::TakenFds& fds,
                                   std::span<const std::byte> pixels) {
  frozen_ = true;
  features_ = state.features;
  private_memory_looked_for_ = true;  // the predecessor did
  if (state.has_memory) {
    std::vector<guest::RegionDescription> regions;
    for (const RegionState& region : state.regions)
      regions.push_back({region.guest_addr, region.size_bytes, region.user_addr, region.mmap_offset,
                         fds.Take(region.fd)});
    RC_ASSIGN_OR_RETURN(memory_, guest::GuestMemory::Map(std::move(regions), nullptr));
    served_.device->SetMemory(memory_);
  }
  for (uint32_t i = 0; i < kQueues; ++i)
    RC_RETURN_IF_ERROR(rings_[i]->Restore(state.rings[i], fds, memory_));
  return served_.device->Restore(state.device, fds, pixels);
}

}  // namespace rendercar::server
