// The virtio-gpu device itself: one function a command. Split over device_*.cc by kind of command.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "backend/gpu/blob_view.h"
#include "backend/gpu/context_table.h"
#include "backend/gpu/display.h"
#include "backend/gpu/gpu_device.h"
#include "backend/gpu/readback.h"
#include "backend/gpu/render_link.h"
#include "backend/gpu/request_table.h"
#include "backend/gpu/resource_table.h"
#include "backend/gpu/time_budget.h"
#include "backend/wire/virtio_gpu_decode.h"
#include "common/log.h"

namespace rendercar::gpu {

class Device final : public GpuDevice, private RendererClient {
 public:
  Device(const Dependencies& dependencies, Options options);
  ~Device() override;

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
  Screenshot TakeScreenshot(uint32_t head) override;
  void Freeze() override;
  void Thaw() override;
  SavedDevice Save(wire::LeftFds& fds) override;
  absl::Status Restore(DeviceState& state, wire::TakenFds& fds,
                       std::span<const std::byte> pixels) override;

 private:
  // device.cc: the frame.
  void Ok(Call& call);
  void Fail(Call& call, uint32_t response, StatsError error, const char* why);
  void FailInvalidResource(Call& call);
  void Refuse(Call& call);
  void NoteGuestError(const Call& call, StatsError error, const char* why);
  // The guest's share of the renderer's time.
  void WatchBudget();
  void OnTick();
  // Answers that waited may have been given: tells the server when it may go on.
  void Settle();
  bool Has(uint32_t feature_bit) const { return (driver_features_ >> feature_bit & 1) != 0; }
  void Do(Call& call, const wire::Malformed& request);

  // device_queries.cc: commands that ask.
  void Do(Call& call, const wire::GetDisplayInfo& request);
  void Do(Call& call, const virtio_gpu_cmd_get_edid& request);
  void Do(Call& call, const virtio_gpu_get_capset_info& request);
  void Do(Call& call, const virtio_gpu_get_capset& request);
  void Do(Call& call, const virtio_gpu_resource_assign_uuid& request);

  // device_resources.cc: resources and their backing, 2D and 3D.
  void Do(Call& call, const virtio_gpu_resource_create_2d& request);
  void Do(Call& call, const virtio_gpu_resource_unref& request);
  void Do(Call& call, const wire::AttachBackingRequest& request);
  void Do(Call& call, const virtio_gpu_resource_detach_backing& request);
  void Do(Call& call, const virtio_gpu_transfer_to_host_2d& request);
  std::vector<GuestRange> ReadRanges(const Call& call, size_t offset, uint32_t count);
  Surface* SurfaceOf(Resource& resource);

  // device_scanouts.cc: commands that show.
  void Do(Call& call, const virtio_gpu_set_scanout& request);
  void Do(Call& call, const virtio_gpu_resource_flush& request);
  void Do(Call& call, const wire::UpdateCursor& request);
  void Do(Call& call, const wire::MoveCursor& request);
  bool CheckScanoutId(Call& call, uint32_t scanout_id);  // false: answered
  // What a head is to show; null: answered, be it that resource 0 switched the head off.
  Resource* ScanoutTarget(Call& call, uint32_t scanout_id, uint32_t resource_id);
  void DisableScanout(uint32_t id);
  void DisableScanoutsOf(const Resource& resource);
  bool ShowOn(uint32_t scanout_id, Resource& resource, const Rect& rect);

  // device_blobs.cc: memory without a size in pixels, and heads that show it.
  void Do(Call& call, const wire::CreateBlobRequest& request);
  void Do(Call& call, const virtio_gpu_set_scanout_blob& request);
  void Do(Call& call, const virtio_gpu_resource_map_blob& request);
  void Do(Call& call, const virtio_gpu_resource_unmap_blob& request);
  // Whether it may be made; else the call has been answered.
  bool CheckCreateBlob(Call& call, const wire::CreateBlobRequest& request);
  static CreateBlob BlobCommand(const Resource& resource);
  bool ShowBlobOn(uint32_t scanout_id, const Resource& resource, BlobView view);
  // A head's own picture; null when the host or the limit of bytes has no room for it.
  std::shared_ptr<Surface> MakeHeadSurface(uint32_t scanout_id, const Rect& rect);
  void FlushBlob(Call& call, const Resource& resource, const Rect& rect);
  bool CopyBlob(BlobView& view, const Resource& resource, const Rect& flushed);
  std::shared_ptr<Surface> CursorOfBlob(const Resource& resource);
  void DemoteBlob(Resource& resource);

  // device_readback.cc: what GL drew, on the way to the display.
  bool ShowGlOn(uint32_t scanout_id, Resource& resource, const Rect& rect);
  void FlushGl(Resource& resource, const Rect& rect);
  void StartRead(Readback& readback);
  void StartWantedReads();
  // Asks for the memory of a resource that a head shows all of; ShowExported goes on.
  // False when it cannot be had now.
  bool AskForExport(const Resource& resource);
  void ShowExported(const Resource& resource);
  void OnNotExported(Resource& resource);
  void ReadCursor(const Resource& resource, const virtio_gpu_update_cursor& update);
  bool OnReadDone(uint64_t token, RenderResult result);
  void OnScanoutRead(uint32_t scanout_id, RenderResult result);
  void OnCursorRead(RenderResult result);
  void ForgetReads();

  // device_save.cc, device_restore.cc: for a successor process.
  absl::Status CheckPromises(const DeviceState& state) const;
  absl::Status RestoreResource(ResourceState& state, std::shared_ptr<Surface> surface);
  absl::Status RestoreContext(const ContextState& state);
  absl::Status RestoreHeads(const DeviceState& state,
                            const std::vector<std::shared_ptr<Surface>>& surfaces);

  // device_3d.cc: 3D commands.
  void Do(Call& call, const virtio_gpu_ctx_create& request);
  void Do(Call& call, const wire::CtxDestroy& request);
  void Do(Call& call, const wire::CtxAttachResource& request);
  void Do(Call& call, const wire::CtxDetachResource& request);
  void Do(Call& call, const virtio_gpu_resource_create_3d& request);
  void Do(Call& call, const wire::TransferToHost3d& request);
  void Do(Call& call, const wire::TransferFromHost3d& request);
  void Do(Call& call, const wire::SubmitRequest& request);
  void DoTransfer(Call& call, Transfer transfer);
  Context* FindContext(Call& call);
  // Whether 3D may be used; else the call has been answered.
  bool Needs3d(Call& call);

  // device_renderer.cc: the renderer's life, and what it is sent.
  // Hands a command over and answers the call when it may be: at once, when the renderer has
  // carried it out, or (fenced) when the GPU has finished too.
  enum class Answered { kWhenHandedOver, kWhenExecuted };
  void Forward(Call& call, const RenderCommand& command, Answered answered);
  // A command of our own, that nobody waits for.
  void Tell(const RenderCommand& command);
  // Starts the renderer if need be, and tells a new one everything.
  absl::Status EnsureRenderer();
  void Replay();
  void ReplayResource(const Resource& resource);
  // A 2D resource moves to GL, or back when the renderer is gone.
  void Promote(Resource& resource);
  void Demote(Resource& resource);
  void AttachPromoted(const Resource& resource);
  // Promotes what a command stream of `context` may name.
  void PromoteNamed(Context& context, const Submit3d& submit);
  static constexpr int kRestartTries = 40;
  void ScheduleRestart(int tries);
  void FailKept();
  // Goes on without what the renderer held.
  void LoseRenderer();
  uint64_t NextInternalToken() { return kInternalToken | ++internal_tokens_; }
  void OnComplete(uint64_t token, RenderResult result) override;
  void OnExported(uint64_t token, std::shared_ptr<const ExportedBuffer> buffer) override;
  void OnContextError(uint32_t ctx_id) override;
  void OnRendererDied(const RendererDeath& death) override;
  void OnWritable() override;

  static constexpr uint64_t kInternalToken = uint64_t{1} << 63;

  EventLoop& loop_;
  QueuePort& port_;
  StatsWriter& stats_;
  Renderer& renderer_;
  const Options options_;
  uint64_t driver_features_ = 0;
  std::shared_ptr<const guest::GuestMemory> memory_;
  log::RateLimit error_log_;

  RequestTable requests_;
  ResourceTable resources_;
  ContextTable contexts_;
  Display display_;
  std::array<uint32_t, VIRTIO_GPU_MAX_SCANOUTS> scanout_resources_{};  // 0: none
  std::array<Readback, VIRTIO_GPU_MAX_SCANOUTS> readbacks_;
  CursorReadback cursor_readback_;
  absl::flat_hash_map<uint64_t, uint32_t> exports_;  // in flight: token -> resource
  std::array<BlobView, VIRTIO_GPU_MAX_SCANOUTS> blob_views_;
  RenderLink link_;
  TimeBudget budget_;
  bool ticking_ = false;
  size_t attachments_ = 0;  // of resources to contexts
  uint64_t internal_tokens_ = 0;
  bool rendered_ = false;   // commands were handed over since the last Flush
  bool quiescing_ = false;  // nothing new is started
  bool restart_scheduled_ = false;
  std::optional<std::chrono::steady_clock::time_point>
      died_at_;  // while its guest waits for a new one
  bool told_not_accepting_ = false;
  std::shared_ptr<Device*> alive_;  // for tasks that outlive this
};

}  // namespace rendercar::gpu
