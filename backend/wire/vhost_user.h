// The messages of the vhost-user protocol that a GPU is sent, in the specification's spelling
// (QEMU, "Vhost-user Protocol").
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace rendercar::wire {

// "Front-end message types".
enum VhostUserRequest : uint32_t {
  VHOST_USER_GET_FEATURES = 1,
  VHOST_USER_SET_FEATURES = 2,
  VHOST_USER_SET_OWNER = 3,
  VHOST_USER_RESET_OWNER = 4,
  VHOST_USER_SET_MEM_TABLE = 5,
  VHOST_USER_SET_LOG_BASE = 6,
  VHOST_USER_SET_LOG_FD = 7,
  VHOST_USER_SET_VRING_NUM = 8,
  VHOST_USER_SET_VRING_ADDR = 9,
  VHOST_USER_SET_VRING_BASE = 10,
  VHOST_USER_GET_VRING_BASE = 11,
  VHOST_USER_SET_VRING_KICK = 12,
  VHOST_USER_SET_VRING_CALL = 13,
  VHOST_USER_SET_VRING_ERR = 14,
  VHOST_USER_GET_PROTOCOL_FEATURES = 15,
  VHOST_USER_SET_PROTOCOL_FEATURES = 16,
  VHOST_USER_GET_QUEUE_NUM = 17,
  VHOST_USER_SET_VRING_ENABLE = 18,
  VHOST_USER_GET_CONFIG = 24,
  VHOST_USER_SET_CONFIG = 25,
  VHOST_USER_GPU_SET_SOCKET = 33,
  VHOST_USER_RESET_DEVICE = 34,
};

// "Protocol features": bit numbers; only those that we offer.
inline constexpr uint32_t VHOST_USER_PROTOCOL_F_MQ = 0;
inline constexpr uint32_t VHOST_USER_PROTOCOL_F_REPLY_ACK = 3;
inline constexpr uint32_t VHOST_USER_PROTOCOL_F_CONFIG = 9;
inline constexpr uint32_t VHOST_USER_PROTOCOL_F_RESET_DEVICE = 13;

// A device feature bit of the transport's own.
inline constexpr uint32_t VHOST_USER_F_PROTOCOL_FEATURES = 30;

// "Header": version and flags.
inline constexpr uint32_t VHOST_USER_VERSION = 1;
inline constexpr uint32_t VHOST_USER_VERSION_MASK = 3;
inline constexpr uint32_t VHOST_USER_REPLY_MASK = 1u << 2;
inline constexpr uint32_t VHOST_USER_NEED_REPLY_MASK = 1u << 3;

// SET_VRING_KICK, _CALL, _ERR: which ring, and that no descriptor comes along.
inline constexpr uint64_t VHOST_USER_VRING_IDX_MASK = 0xff;
inline constexpr uint64_t VHOST_USER_VRING_NOFD_MASK = 1u << 8;

inline constexpr uint32_t VHOST_MEMORY_BASELINE_NREGIONS = 8;
inline constexpr uint32_t VHOST_USER_MAX_CONFIG_SIZE = 256;
// GET_CONFIG, SET_CONFIG: the only flags that there are.
inline constexpr uint32_t VHOST_SET_CONFIG_TYPE_FRONTEND = 0;
inline constexpr uint32_t VHOST_SET_CONFIG_TYPE_MIGRATION = 1;

struct VhostUserHeader {
  uint32_t request;
  uint32_t flags;
  uint32_t size;  // of the payload
};
static_assert(sizeof(VhostUserHeader) == 12);

struct vhost_vring_state {
  uint32_t index;
  uint32_t num;
};
static_assert(sizeof(vhost_vring_state) == 8);

struct vhost_vring_addr {
  uint32_t index;
  uint32_t flags;
  uint64_t desc_user_addr;
  uint64_t used_user_addr;
  uint64_t avail_user_addr;
  uint64_t log_guest_addr;
};
static_assert(sizeof(vhost_vring_addr) == 40 && offsetof(vhost_vring_addr, used_user_addr) == 16);

struct VhostUserMemoryRegion {
  uint64_t guest_phys_addr;
  uint64_t memory_size;
  uint64_t userspace_addr;
  uint64_t mmap_offset;
};
static_assert(sizeof(VhostUserMemoryRegion) == 32);

// `nregions` regions follow.
struct VhostUserMemoryHeader {
  uint32_t nregions;
  uint32_t padding;
};
static_assert(sizeof(VhostUserMemoryHeader) == 8);

// `size` bytes of configuration space follow.
struct VhostUserConfigHeader {
  uint32_t offset;
  uint32_t size;
  uint32_t flags;
};
static_assert(sizeof(VhostUserConfigHeader) == 12);

}  // namespace rendercar::wire
