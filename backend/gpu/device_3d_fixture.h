// A guest that uses 3D, over a renderer that a test drives.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "backend/gpu/device_fixture.h"
#include "backend/gpu/fake_renderer.h"

namespace rendercar::gpu {

inline constexpr uint32_t kOk = VIRTIO_GPU_RESP_OK_NODATA;
inline constexpr uint32_t kPending = 0;
inline constexpr uint32_t kUnspec = VIRTIO_GPU_RESP_ERR_UNSPEC;
inline constexpr uint32_t kNoMemory = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
inline constexpr uint32_t kBadResource = VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
inline constexpr uint32_t kBadContext = VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
inline constexpr uint32_t kBadParameter = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;

inline GpuDevice::Options With3d() {
  GpuDevice::Options options;
  options.capabilities.capsets = {{1, 1, std::vector<std::byte>(308)},
                                  {2, 2, std::vector<std::byte>(1380, std::byte{7})}};
  return options;
}

class Device3d : public testing::Test {
 protected:
  explicit Device3d(GpuDevice::Options options = With3d())
      : device_(std::move(options), &renderer_) {}

  virtio_gpu_ctrl_hdr Header(uint32_t type, uint32_t ctx_id = 1) {
    virtio_gpu_ctrl_hdr hdr{};
    hdr.type = type;
    hdr.ctx_id = ctx_id;
    return hdr;
  }
  uint32_t CreateContext(uint32_t id, uint32_t nlen = 4) {
    virtio_gpu_ctx_create wire{};
    wire.hdr = Header(VIRTIO_GPU_CMD_CTX_CREATE, id);
    wire.nlen = nlen;
    std::memcpy(wire.debug_name, "test", 4);
    return device_.Do(wire);
  }
  uint32_t AttachTo(uint32_t context, uint32_t resource,
                    uint32_t type = VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE) {
    virtio_gpu_ctx_resource wire{};
    wire.hdr = Header(type, context);
    wire.resource_id = resource;
    return device_.Do(wire);
  }
  uint16_t StartCreate3d(uint32_t id, uint32_t width = 64, uint32_t height = 64,
                         uint32_t format = VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM) {
    virtio_gpu_resource_create_3d wire{};
    wire.hdr = Header(VIRTIO_GPU_CMD_RESOURCE_CREATE_3D, 0);
    wire.resource_id = id;
    wire.target = 2;
    wire.format = format;
    wire.width = width;
    wire.height = height;
    wire.depth = wire.array_size = 1;
    const uint16_t head = device_.Start(wire);
    device_.device_->EndBatch();
    return head;
  }
  uint32_t Create3d(uint32_t id, uint32_t width = 64, uint32_t height = 64) {
    const uint16_t head = StartCreate3d(id, width, height);
    renderer_.CompleteAll();
    return device_.Response(head).type;
  }
  uint16_t Submit(uint32_t context, std::vector<uint32_t> words, uint64_t fence = 0,
                  int ring_idx = -1) {
    virtio_gpu_cmd_submit wire{};
    wire.hdr = Header(VIRTIO_GPU_CMD_SUBMIT_3D, context);
    if (fence != 0) wire.hdr.flags |= VIRTIO_GPU_FLAG_FENCE;
    if (ring_idx >= 0) {
      wire.hdr.flags |= VIRTIO_GPU_FLAG_INFO_RING_IDX;
      wire.hdr.ring_idx = static_cast<uint8_t>(ring_idx);
    }
    wire.hdr.fence_id = fence;
    wire.size = static_cast<uint32_t>(words.size() * 4);
    const auto bytes = std::as_bytes(std::span(words));
    const uint16_t head = device_.Start({DeviceFixture::Bytes(wire), {bytes.begin(), bytes.end()}});
    device_.device_->EndBatch();
    return head;
  }
  uint32_t Transfer3d(uint32_t type, uint32_t context, uint32_t resource, uint32_t width = 64) {
    virtio_gpu_transfer_host_3d wire{};
    wire.hdr = Header(type, context);
    wire.resource_id = resource;
    wire.box = {0, 0, 0, width, 64, 1};
    return device_.Do(wire);
  }
  uint16_t FencedFlush(uint32_t resource, uint64_t fence) {
    virtio_gpu_resource_flush wire{};
    wire.hdr = Header(VIRTIO_GPU_CMD_RESOURCE_FLUSH, 0);
    wire.hdr.flags = VIRTIO_GPU_FLAG_FENCE;
    wire.hdr.fence_id = fence;
    wire.resource_id = resource;
    return device_.Start(wire);
  }
  uint32_t TypeOf(uint16_t head) { return device_.Response(head).type; }

  FakeRenderer renderer_;
  DeviceFixture device_;
};

}  // namespace rendercar::gpu
