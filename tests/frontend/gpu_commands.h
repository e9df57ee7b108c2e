// virtio-gpu commands, filled in: one function a command, in the specification's names.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/virtio_gpu.h>

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace rendercar::frontend {

struct Rect {
  uint32_t x = 0, y = 0, width = 0, height = 0;
};

inline virtio_gpu_ctrl_hdr Header(uint32_t type, uint32_t ctx_id = 0) {
  virtio_gpu_ctrl_hdr hdr{};
  hdr.type = type;
  hdr.ctx_id = ctx_id;
  return hdr;
}
inline virtio_gpu_rect ToWire(const Rect& rect) {
  return {rect.x, rect.y, rect.width, rect.height};
}

// Asks for the answer to be held back until earlier work is done.
template <typename Command>
Command Fenced(Command command, uint64_t fence_id) {
  command.hdr.flags |= VIRTIO_GPU_FLAG_FENCE;
  command.hdr.fence_id = fence_id;
  return command;
}

inline virtio_gpu_resource_create_2d ResourceCreate2d(uint32_t id, uint32_t width, uint32_t height,
                                                      uint32_t format) {
  return {Header(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D), id, format, width, height};
}
inline virtio_gpu_resource_unref ResourceUnref(uint32_t id) {
  return {Header(VIRTIO_GPU_CMD_RESOURCE_UNREF), id, 0};
}
inline virtio_gpu_set_scanout SetScanout(uint32_t scanout, uint32_t id, const Rect& rect) {
  return {Header(VIRTIO_GPU_CMD_SET_SCANOUT), ToWire(rect), scanout, id};
}
inline virtio_gpu_resource_flush ResourceFlush(uint32_t id, const Rect& rect) {
  return {Header(VIRTIO_GPU_CMD_RESOURCE_FLUSH), ToWire(rect), id, 0};
}
inline virtio_gpu_transfer_to_host_2d TransferToHost2d(uint32_t id, const Rect& rect,
                                                       uint64_t offset) {
  return {Header(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D), ToWire(rect), offset, id, 0};
}
// Followed by `entries` virtio_gpu_mem_entry.
inline virtio_gpu_resource_attach_backing ResourceAttachBacking(uint32_t id, uint32_t entries) {
  return {Header(VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING), id, entries};
}
inline virtio_gpu_resource_detach_backing ResourceDetachBacking(uint32_t id) {
  return {Header(VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING), id, 0};
}
inline virtio_gpu_get_capset_info GetCapsetInfo(uint32_t index) {
  return {Header(VIRTIO_GPU_CMD_GET_CAPSET_INFO), index, 0};
}
inline virtio_gpu_get_capset GetCapset(uint32_t id, uint32_t version) {
  return {Header(VIRTIO_GPU_CMD_GET_CAPSET), id, version};
}
inline virtio_gpu_cmd_get_edid GetEdid(uint32_t scanout) {
  return {Header(VIRTIO_GPU_CMD_GET_EDID), scanout, 0};
}
inline virtio_gpu_resource_assign_uuid ResourceAssignUuid(uint32_t id) {
  return {Header(VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID), id, 0};
}

// Followed by `entries` virtio_gpu_mem_entry; `memory` is a VIRTIO_GPU_BLOB_MEM_*.
inline virtio_gpu_resource_create_blob ResourceCreateBlob(uint32_t id, uint32_t memory,
                                                          uint32_t entries, uint64_t size,
                                                          uint32_t ctx = 0) {
  virtio_gpu_resource_create_blob command{};
  command.hdr = Header(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, ctx);
  command.resource_id = id;
  command.blob_mem = memory;
  command.nr_entries = entries;
  command.size = size;
  return command;
}
// `part` of a framebuffer of this size that lies at the blob's start, row after row.
inline virtio_gpu_set_scanout_blob SetScanoutBlob(uint32_t scanout, uint32_t id, const Rect& part,
                                                  uint32_t width, uint32_t height,
                                                  uint32_t format) {
  virtio_gpu_set_scanout_blob command{};
  command.hdr = Header(VIRTIO_GPU_CMD_SET_SCANOUT_BLOB);
  command.r = ToWire(part);
  command.scanout_id = scanout;
  command.resource_id = id;
  command.width = width;
  command.height = height;
  command.format = format;
  command.strides[0] = width * 4;
  return command;
}

inline virtio_gpu_ctx_create CtxCreate(uint32_t ctx, std::string_view name) {
  virtio_gpu_ctx_create command{};
  command.hdr = Header(VIRTIO_GPU_CMD_CTX_CREATE, ctx);
  command.nlen = static_cast<uint32_t>(std::min<size_t>(name.size(), 63));
  std::copy_n(name.data(), command.nlen, command.debug_name);
  return command;
}
inline virtio_gpu_ctx_destroy CtxDestroy(uint32_t ctx) {
  return {Header(VIRTIO_GPU_CMD_CTX_DESTROY, ctx)};
}
inline virtio_gpu_ctx_resource CtxAttachResource(uint32_t ctx, uint32_t id) {
  return {Header(VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, ctx), id, 0};
}
inline virtio_gpu_ctx_resource CtxDetachResource(uint32_t ctx, uint32_t id) {
  return {Header(VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, ctx), id, 0};
}
// A 2D texture that can be rendered to and sampled (PIPE_TEXTURE_2D).
inline virtio_gpu_resource_create_3d ResourceCreate3d(uint32_t id, uint32_t width, uint32_t height,
                                                      uint32_t format) {
  constexpr uint32_t kPipeTexture2d = 2, kBindRenderTarget = 1U << 1, kBindSamplerView = 1U << 3;
  virtio_gpu_resource_create_3d command{};
  command.hdr = Header(VIRTIO_GPU_CMD_RESOURCE_CREATE_3D);
  command.resource_id = id;
  command.target = kPipeTexture2d;
  command.format = format;
  command.bind = kBindRenderTarget | kBindSamplerView;
  command.width = width;
  command.height = height;
  command.depth = 1;
  command.array_size = 1;
  return command;
}
// `type` is VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D or VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D.
inline virtio_gpu_transfer_host_3d Transfer3d(uint32_t type, uint32_t ctx, uint32_t id,
                                              const Rect& rect, uint32_t stride) {
  virtio_gpu_transfer_host_3d command{};
  command.hdr = Header(type, ctx);
  command.box = {rect.x, rect.y, 0, rect.width, rect.height, 1};
  command.resource_id = id;
  command.stride = stride;
  return command;
}
// Followed by `size` bytes of virgl commands.
inline virtio_gpu_cmd_submit Submit3d(uint32_t ctx, uint32_t size) {
  return {Header(VIRTIO_GPU_CMD_SUBMIT_3D, ctx), size, 0};
}

inline virtio_gpu_update_cursor UpdateCursor(uint32_t scanout, uint32_t id, uint32_t x, uint32_t y,
                                             uint32_t hot_x = 0, uint32_t hot_y = 0) {
  return {Header(VIRTIO_GPU_CMD_UPDATE_CURSOR), {scanout, x, y, 0}, id, hot_x, hot_y, 0};
}
inline virtio_gpu_update_cursor MoveCursor(uint32_t scanout, uint32_t x, uint32_t y) {
  return {Header(VIRTIO_GPU_CMD_MOVE_CURSOR), {scanout, x, y, 0}, 0, 0, 0, 0};
}

}  // namespace rendercar::frontend
