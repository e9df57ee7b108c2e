// The split virtqueue's memory layout (virtio 1.2, section 2.7); <linux/virtio_ring.h> is no C++.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace rendercar::frontend {

inline constexpr uint16_t VIRTQ_DESC_F_NEXT = 1;
inline constexpr uint16_t VIRTQ_DESC_F_WRITE = 2;
inline constexpr uint16_t VIRTQ_DESC_F_INDIRECT = 4;
inline constexpr uint16_t VIRTQ_USED_F_NO_NOTIFY = 1;

struct virtq_desc {
  uint64_t addr = 0;
  uint32_t len = 0;
  uint16_t flags = 0;
  uint16_t next = 0;
};
static_assert(sizeof(virtq_desc) == 16);

struct virtq_used_elem {
  uint32_t id = 0;
  uint32_t len = 0;
};
static_assert(sizeof(virtq_used_elem) == 8);

// Followed by the elements and avail_event.
struct virtq_used {
  uint16_t flags = 0;
  uint16_t idx = 0;
};
static_assert(sizeof(virtq_used) == 4);

// Whether a step from `before` to `now` passes the index that the other side asked to hear of.
constexpr bool NeedsEvent(uint16_t event, uint16_t now, uint16_t before) {
  return static_cast<uint16_t>(now - event - 1) < static_cast<uint16_t>(now - before);
}

}  // namespace rendercar::frontend
