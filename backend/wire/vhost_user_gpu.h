// The messages of the display socket (QEMU's "Vhost-user-gpu Protocol"), in its spelling, and what
// a reply to one may look like.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "backend/wire/virtio_gpu.h"

namespace rendercar::wire {

enum VhostUserGpuRequest : uint32_t {
  VHOST_USER_GPU_NONE = 0,
  VHOST_USER_GPU_GET_PROTOCOL_FEATURES,
  VHOST_USER_GPU_SET_PROTOCOL_FEATURES,
  VHOST_USER_GPU_GET_DISPLAY_INFO,
  VHOST_USER_GPU_CURSOR_POS,
  VHOST_USER_GPU_CURSOR_POS_HIDE,
  VHOST_USER_GPU_CURSOR_UPDATE,
  VHOST_USER_GPU_SCANOUT,
  VHOST_USER_GPU_UPDATE,
  VHOST_USER_GPU_DMABUF_SCANOUT,
  VHOST_USER_GPU_DMABUF_UPDATE,
  VHOST_USER_GPU_GET_EDID,
  VHOST_USER_GPU_DMABUF_SCANOUT2,
};

inline constexpr uint32_t VHOST_USER_GPU_MSG_FLAG_REPLY = 0x4;
inline constexpr uint64_t VHOST_USER_GPU_PROTOCOL_F_EDID = 0;
inline constexpr uint64_t VHOST_USER_GPU_PROTOCOL_F_DMABUF2 = 1;

struct VhostUserGpuHeader {
  uint32_t request;
  uint32_t flags;
  uint32_t size;
};
struct VhostUserGpuCursorPos {
  uint32_t scanout_id;
  uint32_t x;
  uint32_t y;
};
struct VhostUserGpuCursorUpdate {
  VhostUserGpuCursorPos pos;
  uint32_t hot_x;
  uint32_t hot_y;
  uint32_t data[kCursorSize * kCursorSize];
};
struct VhostUserGpuScanout {
  uint32_t scanout_id;
  uint32_t width;
  uint32_t height;
};
// Pixels follow.
struct VhostUserGpuUpdate {
  uint32_t scanout_id;
  uint32_t x;
  uint32_t y;
  uint32_t width;
  uint32_t height;
};
// A dmabuf comes along; without one the scanout is disabled.
struct VhostUserGpuDmabufScanout {
  uint32_t scanout_id;
  uint32_t x;
  uint32_t y;
  uint32_t width;
  uint32_t height;
  uint32_t fd_width;
  uint32_t fd_height;
  uint32_t fd_stride;
  uint32_t fd_flags;
  uint32_t fd_drm_fourcc;
};
struct VhostUserGpuDmabufScanout2 {
  VhostUserGpuDmabufScanout dmabuf_scanout;
  uint64_t modifier;
};
struct VhostUserGpuEdidRequest {
  uint32_t scanout_id;
};

static_assert(sizeof(VhostUserGpuHeader) == 12);
static_assert(sizeof(VhostUserGpuCursorPos) == 12);
static_assert(sizeof(VhostUserGpuCursorUpdate) == 20 + 16384);
static_assert(sizeof(VhostUserGpuScanout) == 12);
static_assert(sizeof(VhostUserGpuUpdate) == 20);
static_assert(sizeof(VhostUserGpuDmabufScanout) == 40);
static_assert(sizeof(VhostUserGpuDmabufScanout2) == 48);
static_assert(sizeof(VhostUserGpuEdidRequest) == 4);

// The longest reply that there is: header and EDID.
inline constexpr size_t kMaxDisplayReplyBytes =
    sizeof(VhostUserGpuHeader) + sizeof(virtio_gpu_resp_edid);

constexpr bool HasReply(uint32_t request) {
  return request == VHOST_USER_GPU_GET_PROTOCOL_FEATURES ||
         request == VHOST_USER_GPU_GET_DISPLAY_INFO || request == VHOST_USER_GPU_GET_EDID ||
         request == VHOST_USER_GPU_DMABUF_UPDATE;
}

// How many payload bytes a reply to `request` has.
constexpr size_t ReplyPayloadBytes(uint32_t request) {
  switch (request) {
    case VHOST_USER_GPU_GET_PROTOCOL_FEATURES:
      return sizeof(uint64_t);
    case VHOST_USER_GPU_GET_DISPLAY_INFO:
      return sizeof(virtio_gpu_resp_display_info);
    case VHOST_USER_GPU_GET_EDID:
      return sizeof(virtio_gpu_resp_edid);
    default:  // a peer's number
      return 0;
  }
}

// Whether `header` can start a reply: the flag is set, the request has a reply, the size is that
// reply's. Syntax only; whether it was asked for is the reader's to know.
constexpr bool IsReply(const VhostUserGpuHeader& header) {
  return header.flags == VHOST_USER_GPU_MSG_FLAG_REPLY && HasReply(header.request) &&
         header.size == ReplyPayloadBytes(header.request);
}

}  // namespace rendercar::wire
