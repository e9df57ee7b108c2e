// One frontend's connection, on the protocol thread: takes its messages, answers what it can at
// once, hands the rest to the work thread.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "backend/server/device_worker.h"
#include "backend/wire/vhost_user_reader.h"
#include "common/event_loop.h"
#include "common/stats_page.h"
#include "common/status.h"
#include "common/unique_fd.h"

namespace rendercar::server {

// The frontend (QEMU) waits for replies while it holds its big lock, so none of them waits for
// rendering: GET_CONFIG and the features come from values that are known before. Only messages
// whose reply means that the device has done something wait for the work thread, with a bound.
class FrontendSession : public std::enable_shared_from_this<FrontendSession> {
 public:
  // Called once on `loop` when the session is over: OK when the frontend closed its socket, else
  // what it did wrong. The session holds nothing of the device any more then.
  using EndHandler = absl::AnyInvocable<void(absl::Status)>;

  // `loop` runs the calling thread, `work_loop` another; both outlive the session.
  static std::shared_ptr<FrontendSession> Create(EventLoop& loop, EventLoop& work_loop,
                                                 StatsWriter& stats, DeviceFactory factory,
                                                 UniqueFd socket);
  ~FrontendSession();

  // Makes the device and takes messages from now on.
  void Start(EndHandler on_end);
  // Ends it from this side; on_end is not called.
  void Stop();

  // For a successor process. Between Freeze and Thaw no message is taken. Unavailable, with nothing
  // frozen, when that cannot be now.
  absl::Status Freeze();
  void Thaw();
  // Of a frozen session: its own part and, on the work thread, the worker's, packed into memory
  // with what `state` holds already.
  absl::StatusOr<UniqueFd> Save(ServerState state, wire::LeftFds& fds);
  // Instead of Start, frozen: goes on with a predecessor's session; Thaw begins.
  absl::Status Restore(FrontendState& state, wire::TakenFds& fds, std::span<const std::byte> pixels,
                       EndHandler on_end);

  // What a head shows. `done` is called once, on `loop`, unless that ends before; never at once.
  using ScreenshotHandler = absl::AnyInvocable<void(gpu::Screenshot)>;
  void TakeScreenshot(uint32_t head, ScreenshotHandler done);

 private:
  // What the work thread owns; shared with tasks on its loop that may outlast the session.
  struct Work {
    std::unique_ptr<DeviceWorker> worker;
  };

  FrontendSession(EventLoop& loop, EventLoop& work_loop, StatsWriter& stats, DeviceFactory factory,
                  UniqueFd socket);
  void Watch();
  void OnReadable();
  absl::Status Handle(wire::ReceivedMessage message);
  absl::Status CheckNegotiation(const wire::VhostUserMessage& message);
  absl::Status Acknowledge(const wire::ReceivedMessage& message, const absl::Status& result);
  absl::Status Forward(wire::ReceivedMessage message);
  absl::Status Reply(uint32_t request, std::span<const std::byte> payload);
  absl::Status ReplyU64(uint32_t request, uint64_t value);
  absl::Status ReplyConfig(const wire::GetConfig& message);
  absl::StatusOr<uint32_t> ApplyAndWait(wire::VhostUserMessage message);
  void ApplyLater(wire::VhostUserMessage message);
  bool Negotiated(uint32_t protocol_feature) const {
    return (protocol_features_ >> protocol_feature & 1) != 0;
  }
  void End(const absl::Status& why);
  void DropDevice();
  void ExpectMemory();

  EventLoop& loop_;
  EventLoop& work_loop_;
  StatsWriter& stats_;
  DeviceFactory factory_;
  UniqueFd socket_;
  wire::VhostUserReader reader_;
  EndHandler on_end_;
  std::shared_ptr<Work> work_;
  uint64_t offered_features_ = 0;
  uint32_t num_capsets_ = 0;
  uint64_t protocol_features_ = 0;
  bool memory_came_ = false;
  bool memory_expected_ = false;
  uint32_t applied_later_ = 0;  // since the work thread was last waited for
};

}  // namespace rendercar::server
