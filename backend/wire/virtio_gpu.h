// The virtio-gpu messages (virtio 1.2, section 5.7.6) in the specification's spelling: the kernel's
// own header, with what we rely on asserted.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/virtio_gpu.h>

#include <bit>
#include <cstddef>
#include <cstdint>

namespace rendercar::wire {

// The structs are read and written in place: their little-endian fields are ours.
static_assert(std::endian::native == std::endian::little);

static_assert(sizeof(virtio_gpu_ctrl_hdr) == 24);
static_assert(offsetof(virtio_gpu_ctrl_hdr, fence_id) == 8);
static_assert(offsetof(virtio_gpu_ctrl_hdr, ctx_id) == 16);
static_assert(offsetof(virtio_gpu_ctrl_hdr, ring_idx) == 20);
static_assert(sizeof(virtio_gpu_rect) == 16);
static_assert(sizeof(virtio_gpu_resource_unref) == 32);
static_assert(sizeof(virtio_gpu_resource_create_2d) == 40);
static_assert(sizeof(virtio_gpu_set_scanout) == 48);
static_assert(sizeof(virtio_gpu_resource_flush) == 48);
static_assert(sizeof(virtio_gpu_transfer_to_host_2d) == 56);
static_assert(offsetof(virtio_gpu_transfer_to_host_2d, offset) == 40);
static_assert(sizeof(virtio_gpu_mem_entry) == 16);
static_assert(sizeof(virtio_gpu_resource_attach_backing) == 32);
static_assert(sizeof(virtio_gpu_resource_detach_backing) == 32);
static_assert(sizeof(virtio_gpu_resp_display_info) == 24 + 16 * 24);
static_assert(sizeof(virtio_gpu_transfer_host_3d) == 72);
static_assert(sizeof(virtio_gpu_resource_create_3d) == 72);
static_assert(sizeof(virtio_gpu_ctx_create) == 96);
static_assert(sizeof(virtio_gpu_ctx_resource) == 32);
static_assert(sizeof(virtio_gpu_cmd_submit) == 32);
static_assert(sizeof(virtio_gpu_get_capset_info) == 32);
static_assert(sizeof(virtio_gpu_resp_capset_info) == 40);
static_assert(sizeof(virtio_gpu_get_capset) == 32);
static_assert(sizeof(virtio_gpu_cmd_get_edid) == 32);
static_assert(sizeof(virtio_gpu_resp_edid) == 32 + 1024);
static_assert(sizeof(virtio_gpu_resource_assign_uuid) == 32);
static_assert(sizeof(virtio_gpu_resp_resource_uuid) == 40);
static_assert(sizeof(virtio_gpu_resource_create_blob) == 56);
static_assert(sizeof(virtio_gpu_set_scanout_blob) == 96);
static_assert(sizeof(virtio_gpu_update_cursor) == 56);
static_assert(sizeof(virtio_gpu_config) == 16);

// Timelines of a context: ring_idx is 63 at most (5.7.6.7, "ring_idx").
inline constexpr uint8_t kMaxRingIdx = 63;
// A cursor image is 64x64 (5.7.6.6, "Configure mouse cursor").
inline constexpr uint32_t kCursorSize = 64;

}  // namespace rendercar::wire
