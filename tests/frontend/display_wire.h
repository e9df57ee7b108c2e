// The messages of the vhost-user-gpu display socket, in the specification's names.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace rendercar::frontend {

// vhost-user-gpu specification, "Message types".
enum VhostUserGpuRequest : uint32_t {
  VHOST_USER_GPU_GET_PROTOCOL_FEATURES = 1,
  VHOST_USER_GPU_SET_PROTOCOL_FEATURES = 2,
  VHOST_USER_GPU_GET_DISPLAY_INFO = 3,
  VHOST_USER_GPU_CURSOR_POS = 4,
  VHOST_USER_GPU_CURSOR_POS_HIDE = 5,
  VHOST_USER_GPU_CURSOR_UPDATE = 6,
  VHOST_USER_GPU_SCANOUT = 7,
  VHOST_USER_GPU_UPDATE = 8,
  VHOST_USER_GPU_DMABUF_SCANOUT = 9,
  VHOST_USER_GPU_DMABUF_UPDATE = 10,
  VHOST_USER_GPU_GET_EDID = 11,
  VHOST_USER_GPU_DMABUF_SCANOUT2 = 12,
};

inline constexpr uint32_t VHOST_USER_GPU_PROTOCOL_F_EDID = 0;
inline constexpr uint32_t VHOST_USER_GPU_PROTOCOL_F_DMABUF2 = 1;
inline constexpr uint32_t kGpuMsgReply = 1U << 2;

struct VhostUserGpuHeader {
  uint32_t request = 0;
  uint32_t flags = 0;
  uint32_t size = 0;
};
static_assert(sizeof(VhostUserGpuHeader) == 12);

struct VhostUserGpuCursorPos {
  uint32_t scanout_id = 0, x = 0, y = 0;
};
static_assert(sizeof(VhostUserGpuCursorPos) == 12);

struct VhostUserGpuCursorUpdate {
  VhostUserGpuCursorPos pos;
  uint32_t hot_x = 0, hot_y = 0;
  uint32_t data[64 * 64] = {};
};
static_assert(sizeof(VhostUserGpuCursorUpdate) == 20 + 16384);

struct VhostUserGpuScanout {
  uint32_t scanout_id = 0, width = 0, height = 0;
};
static_assert(sizeof(VhostUserGpuScanout) == 12);

// Followed by width * height pixels of four bytes (x8r8g8b8) in UPDATE, by none in DMABUF_UPDATE.
struct VhostUserGpuUpdate {
  uint32_t scanout_id = 0, x = 0, y = 0, width = 0, height = 0;
};
static_assert(sizeof(VhostUserGpuUpdate) == 20);

struct VhostUserGpuDmabufScanout {
  uint32_t scanout_id = 0, x = 0, y = 0, width = 0, height = 0;
  uint32_t fd_width = 0, fd_height = 0, fd_stride = 0, fd_flags = 0;
  int32_t fd_drm_fourcc = 0;
};
static_assert(sizeof(VhostUserGpuDmabufScanout) == 40);

}  // namespace rendercar::frontend
