// The work thread's half of a session: guest memory, rings and the device, and what each vhost-user
// message does to them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>

#include "backend/gpu/gpu_device.h"
#include "backend/server/poll_time.h"
#include "backend/server/server_state.h"
#include "backend/server/vring.h"
#include "backend/wire/vhost_user_decode.h"
#include "common/event_loop.h"
#include "common/stats_page.h"
#include "common/status.h"

namespace rendercar::server {

// A device and the renderer that it drives; the device goes first.
struct ServedDevice {
  std::unique_ptr<gpu::Renderer> renderer;
  std::unique_ptr<gpu::GpuDevice> device;
};
// Makes a fresh one for each frontend; called on the work thread.
using DeviceFactory = std::function<ServedDevice(EventLoop& loop, gpu::QueuePort& port)>;

// Made, used and destroyed on the work thread.
class DeviceWorker final : public gpu::QueuePort {
 public:
  DeviceWorker(EventLoop& loop, StatsWriter& stats, const DeviceFactory& factory);
  ~DeviceWorker() override;

  uint64_t device_features() const { return served_.device->features(); }
  uint32_t num_capsets() const { return served_.device->num_capsets(); }

  // Does what `message` asks for; those that the protocol thread answers alone do nothing here.
  // The value is GET_VRING_BASE's, else 0. InvalidArgument: the frontend broke the protocol.
  absl::StatusOr<uint32_t> Apply(wire::VhostUserMessage message);

  // For a successor process. Freeze answers every request and takes no more until Thaw;
  // Unavailable when that cannot be, and nothing is frozen. Save is for a frozen worker, Restore
  // makes one of a fresh worker.
  absl::Status Freeze();
  void Thaw();
  gpu::Pictures Save(WorkerState& state, wire::LeftFds& fds);
  absl::Status Restore(WorkerState& state, wire::TakenFds& fds, std::span<const std::byte> pixels);

  gpu::Screenshot TakeScreenshot(uint32_t head) { return served_.device->TakeScreenshot(head); }

  // gpu::QueuePort
  void Complete(gpu::Queue queue, uint16_t head, uint32_t written_bytes) override;
  void OnAccepting() override { Schedule(); }

 private:
  using Clock = std::chrono::steady_clock;

  absl::Status Do(wire::SetFeatures& message);
  absl::Status Do(wire::SetMemTable& message);
  absl::Status Do(wire::SetVringNum& message);
  absl::Status Do(wire::SetVringAddr& message);
  absl::Status Do(wire::SetVringBase& message);
  absl::StatusOr<uint32_t> Do(wire::GetVringBase& message);
  absl::Status Do(wire::SetVringFd& message);
  absl::Status Do(wire::SetVringEnable& message);
  absl::Status Do(wire::GpuSetSocket& message);
  absl::Status Do(wire::ResetOwner& message);
  absl::Status Do(wire::ResetDevice& message);

  absl::StatusOr<Vring*> Ring(uint32_t index);
  absl::Status Start(Vring& ring);
  void QuiesceDevice();
  void ResetDriver();

  // Takes requests from the rings until they are empty, the device has no room or the time is up.
  void Process();
  bool Drain(gpu::Queue queue, Clock::time_point until);  // true: there may be more
  // After the rings were found empty: whether a request came while we looked, or kicks are asked
  // for and it is time to sleep.
  bool AwaitRequests();
  bool MayPoll() const;
  bool AnyInFlight() const;
  bool Poll();
  // Process soon, after what else waits on the loop.
  void Schedule();
  void PublishUsed();
  void LookForLostMemory();
  void OnKick(uint32_t index);
  void LookForPrivateMemory();

  EventLoop& loop_;
  StatsWriter& stats_;
  std::shared_ptr<const guest::GuestMemory> memory_;
  std::array<std::unique_ptr<Vring>, kQueues> rings_;
  uint64_t features_ = 0;
  bool frozen_ = false;
  bool batching_ = false;
  bool process_posted_ = false;
  bool publish_posted_ = false;
  uint32_t unpublished_ = 0;
  bool private_memory_looked_for_ = false;
  PollTime poll_time_;
  Clock::time_point slept_since_{};
  const uint32_t processors_ = std::thread::hardware_concurrency();
  uint64_t lost_memory_seen_;
  // Tells tasks on the loop that this object is gone.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  ServedDevice served_;  // goes first: it may call back
};

}  // namespace rendercar::server
