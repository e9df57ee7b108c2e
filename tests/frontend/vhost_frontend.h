// The frontend's side of the vhost-user protocol in QEMU 10's message order: realize, DRIVER_OK,
// stop, reset.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/virtio_gpu.h>

#include <array>
#include <cstdint>
#include <memory>

#include "common/status.h"
#include "common/unique_fd.h"
#include "tests/frontend/display_end.h"
#include "tests/frontend/guest_ram.h"
#include "tests/frontend/split_queue.h"
#include "tests/frontend/vhost_channel.h"

namespace rendercar::frontend {

inline constexpr uint32_t kControlQueue = 0;
inline constexpr uint32_t kCursorQueue = 1;

struct FrontendOptions {
  bool virgl = false;
  bool edid = true;
  bool event_idx = true;
  bool indirect = true;
  uint64_t extra_features = 0;            // acknowledged besides, where the backend offers them
  uint64_t hidden_protocol_features = 0;  // never acknowledged, as by a frontend that lacks them
  uint16_t control_size = 0;              // 0: what QEMU uses, 256 with virgl and 64 without
  uint16_t cursor_size = 16;
  DisplayOptions display;
};

class VhostFrontend {
 public:
  // `ram` outlives the frontend.
  static absl::StatusOr<VhostFrontend> Create(UniqueFd socket, GuestRam* ram,
                                              const FrontendOptions& options);

  // Everything up to the guest's driver: features, protocol features, queues, owner.
  absl::Status Realize();
  // DRIVER_OK: a new display socket, features, memory, rings.
  absl::Status Start();
  // What a paused or reset VM does: the display socket closes, rings stop; the bases are kept for
  // the next Start.
  absl::Status Stop();
  absl::Status ResetDevice();
  // A driver that starts anew: empty rings from index 0.
  void ForgetRings();

  // The steps one by one.
  absl::Status SetFeatures();
  absl::Status SendMemoryTable();
  absl::Status SendDisplaySocket();
  absl::Status StartRing(uint32_t index);
  absl::Status EnableRing(uint32_t index, bool enable);
  absl::StatusOr<uint32_t> StopRing(uint32_t index);  // GET_VRING_BASE
  absl::StatusOr<virtio_gpu_config> GetConfig();
  absl::Status ClearEvents(uint32_t events);  // SET_CONFIG, as Linux does after a display event

  VhostChannel& channel() { return channel_; }
  SplitQueue& queue(uint32_t index) { return queues_[index]; }
  DisplayEnd* display() { return display_.get(); }
  std::unique_ptr<DisplayEnd> TakeDisplay() { return std::move(display_); }
  uint64_t offered_features() const { return offered_; }
  uint64_t features() const;  // what is acknowledged
  uint64_t protocol_features() const { return protocol_; }
  bool HasProtocolFeature(uint32_t bit) const { return (protocol_ & Bit(bit)) != 0; }
  // The message that SendMemoryTable sends.
  VhostUserMemory MemoryTable() const;

 private:
  VhostFrontend(UniqueFd socket, GuestRam* ram, const FrontendOptions& options,
                std::array<SplitQueue, 2> queues);
  absl::Status SetVringFd(uint32_t request, uint32_t index, int fd);
  absl::Status SetVringState(uint32_t request, uint32_t index, uint32_t value);
  absl::Status SetVringAddress(uint32_t index);
  absl::Status SetCalls();

  FrontendOptions options_;
  GuestRam* ram_;
  VhostChannel channel_;
  std::array<SplitQueue, 2> queues_;
  std::array<uint32_t, 2> bases_{};
  std::unique_ptr<DisplayEnd> display_;
  uint64_t offered_ = 0, protocol_ = 0;
};

}  // namespace rendercar::frontend
