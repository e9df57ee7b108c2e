// The guest's resources.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/resource_table.h"

#include <utility>

namespace rendercar::gpu {

ResourceTable::ResourceTable(const Limits& limits, StatsWriter& stats)
    : limits_(limits), stats_(stats) {
  stats_.Set(StatsValue::kResourceBytesLimit, limits.resource_bytes);
  stats_.Set(StatsValue::kResourcesLimit, limits.resources);
  stats_.Set(StatsValue::kContextsLimit, limits.contexts);
}

bool ResourceTable::HasRoom(uint64_t host_bytes) const {
  return resources_.size() < limits_.resources && host_bytes <= limits_.resource_bytes &&
         host_bytes_ <= limits_.resource_bytes - host_bytes;
}

Resource& ResourceTable::Add(std::unique_ptr<Resource> resource) {
  Resource& added = *resource;
  const bool inserted = resources_.emplace(added.id, std::move(resource)).second;
  RC_CHECK(inserted, "a resource id that is taken");
  host_bytes_ += added.host_bytes;
  if (added.backing) backing_entries_ += added.backing->ranges().size();
  PublishGauges();
  return added;
}

void ResourceTable::Remove(uint32_t id) {
  const auto found = resources_.find(id);
  if (found == resources_.end()) return;
  host_bytes_ -= found->second->host_bytes;
  DropBacking(*found->second);
  resources_.erase(found);
  PublishGauges();
}

void ResourceTable::Clear() {
  resources_.clear();
  host_bytes_ = 0;
  backing_entries_ = 0;
  PublishGauges();
}

bool ResourceTable::HasRoomForBacking(size_t entries) const {
  return entries <= limits_.all_backing_entries &&
         backing_entries_ <= limits_.all_backing_entries - entries;
}

void ResourceTable::SetBacking(Resource& resource, Backing backing) {
  backing_entries_ += backing.ranges().size();
  resource.backing = std::move(backing);
}

void ResourceTable::DropBacking(Resource& resource) {
  if (!resource.backing) return;
  backing_entries_ -= resource.backing->ranges().size();
  resource.backing.reset();
}

void ResourceTable::PublishGauges() {
  stats_.Set(StatsValue::kResources, resources_.size());
  stats_.Set(StatsValue::kResourceBytes, host_bytes_);
}

}  // namespace rendercar::gpu
