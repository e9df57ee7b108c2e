// The vhost-user messages a GPU frontend sends, in the specification's names; written from the
// specification alone, so that it shares no mistake with the backend.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace rendercar::frontend {

// vhost-user specification, "Front-end message types".
enum VhostUserRequest : uint32_t {
  VHOST_USER_GET_FEATURES = 1,
  VHOST_USER_SET_FEATURES = 2,
  VHOST_USER_SET_OWNER = 3,
  VHOST_USER_RESET_OWNER = 4,
  VHOST_USER_SET_MEM_TABLE = 5,
  VHOST_USER_SET_LOG_BASE = 6,
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
  VHOST_USER_SET_BACKEND_REQ_FD = 21,
  VHOST_USER_GET_CONFIG = 24,
  VHOST_USER_SET_CONFIG = 25,
  VHOST_USER_GET_INFLIGHT_FD = 31,
  VHOST_USER_GPU_SET_SOCKET = 33,
  VHOST_USER_RESET_DEVICE = 34,
  VHOST_USER_GET_MAX_MEM_SLOTS = 36,
  VHOST_USER_ADD_MEM_REG = 37,
};

// "Protocol features": bit numbers.
enum VhostUserProtocolFeature : uint32_t {
  VHOST_USER_PROTOCOL_F_MQ = 0,
  VHOST_USER_PROTOCOL_F_REPLY_ACK = 3,
  VHOST_USER_PROTOCOL_F_BACKEND_REQ = 5,
  VHOST_USER_PROTOCOL_F_CONFIG = 9,
  VHOST_USER_PROTOCOL_F_RESET_DEVICE = 13,
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS = 15,
  VHOST_USER_PROTOCOL_F_STATUS = 16,
};

// Device feature bits beside those of <linux/virtio_gpu.h>.
inline constexpr uint32_t kRingIndirectDesc = 28;  // VIRTIO_F_INDIRECT_DESC
inline constexpr uint32_t kRingEventIdx = 29;      // VIRTIO_F_EVENT_IDX
inline constexpr uint32_t kVhostUserProtocolFeatures = 30;
inline constexpr uint32_t kVirtioVersion1 = 32;
inline constexpr uint32_t kVhostLogAll = 26;

constexpr uint64_t Bit(uint32_t number) { return uint64_t{1} << number; }

// Header flags.
inline constexpr uint32_t kVersion = 1;
inline constexpr uint32_t kReply = 1U << 2;
inline constexpr uint32_t kNeedReply = 1U << 3;
// SET_VRING_KICK/CALL/ERR: no descriptor comes with the message.
inline constexpr uint64_t kVringNoFd = 1U << 8;

struct VhostUserHeader {
  uint32_t request = 0;
  uint32_t flags = 0;
  uint32_t size = 0;
};
static_assert(sizeof(VhostUserHeader) == 12);

// "A vring state description" and "a vring address description".
struct VhostVringState {
  uint32_t index = 0;
  uint32_t num = 0;
};
static_assert(sizeof(VhostVringState) == 8);

struct VhostVringAddr {
  uint32_t index = 0;
  uint32_t flags = 0;
  uint64_t desc_user_addr = 0;
  uint64_t used_user_addr = 0;
  uint64_t avail_user_addr = 0;
  uint64_t log_guest_addr = 0;
};
static_assert(sizeof(VhostVringAddr) == 40);

struct VhostUserMemoryRegion {
  uint64_t guest_phys_addr = 0;
  uint64_t memory_size = 0;
  uint64_t userspace_addr = 0;
  uint64_t mmap_offset = 0;
};
static_assert(sizeof(VhostUserMemoryRegion) == 32);

struct VhostUserMemory {
  uint32_t nregions = 0;
  uint32_t padding = 0;
  std::array<VhostUserMemoryRegion, 8> regions{};
};
static_assert(sizeof(VhostUserMemory) == 264);

// "A configuration space access", followed by `size` bytes.
struct VhostUserConfigHeader {
  uint32_t offset = 0;
  uint32_t size = 0;
  uint32_t flags = 0;
};
static_assert(sizeof(VhostUserConfigHeader) == 12);

}  // namespace rendercar::frontend
