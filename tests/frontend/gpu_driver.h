// A virtio-gpu driver over one queue: commands one at a time, or many in flight.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/virtio_gpu.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "common/status.h"
#include "tests/frontend/guest_ram.h"
#include "tests/frontend/split_queue.h"
#include "tests/frontend/vhost_channel.h"

namespace rendercar::frontend {

// What the device wrote.
struct GpuResponse {
  uint32_t slot = 0;
  uint32_t written = 0;  // as the used ring says
  std::vector<std::byte> bytes;

  // The response as a T; zeros where the device wrote less.
  template <typename T>
  T As() const {
    T value{};
    std::memcpy(static_cast<void*>(&value), bytes.data(), std::min(sizeof(T), bytes.size()));
    return value;
  }
  virtio_gpu_ctrl_hdr header() const { return As<virtio_gpu_ctrl_hdr>(); }
  uint32_t type() const { return header().type; }
};

class GpuDriver {
 public:
  static constexpr std::chrono::seconds kTimeout{20};  // a guard against hanging for ever
  static constexpr uint32_t kResponseBytes = 4096;

  // Whether requests have room for an answer: Linux gives cursor commands none.
  enum class Answers { kYes, kNo };
  // `queue` and `ram` outlive the driver; `slots` commands can be in flight.
  GpuDriver(GuestRam* ram, SplitQueue* queue, uint32_t slots, Answers answers = Answers::kYes);

  // One command, awaited. DeadlineExceeded when the device does not answer.
  template <typename Command>
  absl::StatusOr<GpuResponse> Call(const Command& command,
                                   std::span<const std::byte> payload = {}) {
    return CallBytes(BytesOf(command), payload);
  }
  absl::StatusOr<GpuResponse> CallBytes(std::span<const std::byte> command,
                                        std::span<const std::byte> payload = {});
  // Only its response type: VIRTIO_GPU_RESP_*; 0 when the device did not answer.
  template <typename Command>
  uint32_t TypeOf(const Command& command, std::span<const std::byte> payload = {}) {
    const absl::StatusOr<GpuResponse> response = Call(command, payload);
    return response.ok() ? response->type() : 0;
  }

  // Many in flight: Post takes a slot (nullopt: none free), Publish tells the device, Poll and Wait
  // give responses back in whatever order the device uses them.
  template <typename Command>
  std::optional<uint32_t> Post(const Command& command, std::span<const std::byte> payload = {}) {
    return PostBytes(BytesOf(command), payload);
  }
  std::optional<uint32_t> PostBytes(std::span<const std::byte> command,
                                    std::span<const std::byte> payload = {});
  void Publish() { queue_->Publish(); }
  // The slot that finished; its response is there until the slot is posted again.
  std::optional<uint32_t> PollSlot();
  std::optional<uint32_t> WaitSlot(std::chrono::milliseconds timeout = kTimeout);
  virtio_gpu_ctrl_hdr ResponseHeader(uint32_t slot) const;
  absl::StatusOr<GpuResponse> Wait(std::chrono::milliseconds timeout = kTimeout);
  uint32_t in_flight() const { return in_flight_; }
  uint32_t capacity() const { return static_cast<uint32_t>(slots_.size()); }

  // RESOURCE_ATTACH_BACKING with these spans as entries, and its response type.
  uint32_t AttachBacking(uint32_t resource_id, std::span<const GuestSpan> spans);
  // The entries as the command carries them.
  static std::vector<std::byte> Entries(std::span<const GuestSpan> spans);

  SplitQueue& queue() { return *queue_; }
  // Forgets what is in flight, after the rings were reset.
  void Reset();

 private:
  struct Slot {
    uint64_t request_addr = 0, response_addr = 0, payload_addr = 0;
    uint32_t payload_capacity = 0;
    uint32_t written = 0;
  };
  void FillPayload(Slot* slot, std::span<const std::byte> payload);

  GuestRam* ram_;
  SplitQueue* queue_;
  Answers answers_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  std::vector<uint32_t> slot_of_head_;
  uint32_t in_flight_ = 0;
};

}  // namespace rendercar::frontend
