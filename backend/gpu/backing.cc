// The guest memory behind a resource.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/backing.h"

#include <algorithm>

namespace rendercar::gpu {

Backing::Backing(std::vector<GuestRange> ranges, const guest::GuestMemory* memory)
    : ranges_(std::move(ranges)) {
  Resolve(memory);
}

void Backing::Resolve(const guest::GuestMemory* memory) {
  segments_.clear();
  size_bytes_ = 0;
  whole_ = true;
  for (const GuestRange& range : ranges_) {
    if (range.size_bytes == 0) continue;
    std::byte* host = nullptr;
    if (memory != nullptr) {
      if (const auto bytes = memory->Translate(range.guest_addr, range.size_bytes); bytes.ok())
        host = bytes->data();
    }
    whole_ = whole_ && host != nullptr;
    Segment* last = segments_.empty() ? nullptr : &segments_.back();
    const bool adjacent =
        last != nullptr &&
        (host == nullptr ? last->host == nullptr
                         : last->host != nullptr && last->host + last->size_bytes == host);
    if (adjacent) {
      last->size_bytes += range.size_bytes;
    } else {
      segments_.push_back({size_bytes_, range.size_bytes, host});
    }
    size_bytes_ += range.size_bytes;
  }
}

std::span<const std::byte> Backing::Walker::At(uint64_t offset, size_t max) {
  const auto holds = [this, offset](size_t i) {
    return i < segments_.size() && offset >= segments_[i].offset &&
           offset - segments_[i].offset < segments_[i].size_bytes;
  };
  // A row's next piece and the next row are a few segments on; everything else is searched.
  size_t near = index_;
  while (near < index_ + 8 && !holds(near)) ++near;
  if (near == index_ + 8) {
    const auto after = std::upper_bound(
        segments_.begin(), segments_.end(), offset,
        [](uint64_t value, const Segment& segment) { return value < segment.offset; });
    if (after == segments_.begin()) return {};
    near = static_cast<size_t>(after - segments_.begin()) - 1;
    if (!holds(near)) return {};
  }
  index_ = near;
  const Segment& segment = segments_[near];
  if (segment.host == nullptr) return {};
  const uint64_t skip = offset - segment.offset;
  return {segment.host + skip,
          static_cast<size_t>(std::min<uint64_t>(max, segment.size_bytes - skip))};
}

}  // namespace rendercar::gpu
