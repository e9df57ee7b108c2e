// The virtio-gpu device itself: one function a command. Split over device_*.cc by kind of command.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "backend/gpu/display.h"
#include "backend/gpu/gpu_device.h"
#include "backend/gpu/request_table.h"
#include "backend/gpu/resource_table.h"
#include "backend/wire/virtio_gpu_decode.h"
#include "common/log.h"

namespace rendercar::gpu {

class Device final : public GpuDevice {
 public:
  Device(const Dependencies& dependencies, Options options);

  uint64_t features() const override;
  uint32_t num_capsets() const override;
  void SetFeatures(uint64_t features) override;
  void SetMemory(std::shared_ptr<const guest::GuestMemory> memory) override;
  void SetDisplaySocket(UniqueFd socket) override;
  void Handle(Queue queue, guest::DescriptorChain chain) override;
  bool accepting() const override;
  void EndBatch() override;
  void Quiesce() override;
  void Reset() override;

 private:
  // device.cc
  void Ok(Call& call);
  void Fail(Call& call, uint32_t response, StatsError error, const char* why);
  void NoteGuestError(const Call& call, StatsError error, const char* why);
  // Answers that wait may have been given meanwhile: tells the server that it may go on.
  void Settle();
  void FailInvalidResource(Call& call);
  std::vector<virtio_gpu_mem_entry> ReadEntries(const Call& call, size_t offset, uint32_t count);

  void Do(Call& call, const wire::Malformed& request);

  // device_queries.cc
  void Do(Call& call, const wire::GetDisplayInfo& request);
  void Do(Call& call, const virtio_gpu_cmd_get_edid& request);
  void Do(Call& call, const virtio_gpu_get_capset_info& request);
  void Do(Call& call, const virtio_gpu_get_capset& request);
  void Do(Call& call, const virtio_gpu_resource_assign_uuid& request);

  // device_resources.cc
  void Do(Call& call, const virtio_gpu_resource_create_2d& request);
  void Do(Call& call, const virtio_gpu_resource_unref& request);
  void Do(Call& call, const wire::AttachBackingRequest& request);
  void Do(Call& call, const virtio_gpu_resource_detach_backing& request);
  void Do(Call& call, const virtio_gpu_transfer_to_host_2d& request);
  Surface* SurfaceOf(Resource& resource);

  // device_scanouts.cc
  void Do(Call& call, const virtio_gpu_set_scanout& request);
  void Do(Call& call, const virtio_gpu_resource_flush& request);
  void Do(Call& call, const wire::UpdateCursor& request);
  void Do(Call& call, const wire::MoveCursor& request);
  void DisableScanoutsOf(const Resource& resource);

  // device_3d.cc
  void Do(Call& call, const virtio_gpu_ctx_create& request);
  void Do(Call& call, const wire::CtxDestroy& request);
  void Do(Call& call, const wire::CtxAttachResource& request);
  void Do(Call& call, const wire::CtxDetachResource& request);
  void Do(Call& call, const virtio_gpu_resource_create_3d& request);
  void Do(Call& call, const wire::TransferToHost3d& request);
  void Do(Call& call, const wire::TransferFromHost3d& request);
  void Do(Call& call, const wire::SubmitRequest& request);

  // Blob resources are not offered.
  void Do(Call& call, const wire::CreateBlobRequest& request);
  void Do(Call& call, const virtio_gpu_set_scanout_blob& request);
  void Do(Call& call, const virtio_gpu_resource_map_blob& request);
  void Do(Call& call, const virtio_gpu_resource_unmap_blob& request);
  void Refuse(Call& call);

  bool Has(uint32_t feature_bit) const { return (driver_features_ >> feature_bit & 1) != 0; }

  QueuePort& port_;
  StatsWriter& stats_;
  Renderer& renderer_;
  const Options options_;
  uint64_t driver_features_ = 0;
  std::shared_ptr<const guest::GuestMemory> memory_;
  log::RateLimit error_log_;

  RequestTable requests_;
  ResourceTable resources_;
  Display display_;
  std::array<uint32_t, VIRTIO_GPU_MAX_SCANOUTS> scanout_resources_{};  // 0: none
  bool told_not_accepting_ = false;
};

}  // namespace rendercar::gpu
