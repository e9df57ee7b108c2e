// A virtio-gpu driver over one queue: commands one at a time, or many in flight.
// SPDX-License-Identifier: Apache-2.0
#include "tests/frontend/gpu_driver.h"

#include <array>

#include "tests/frontend/gpu_commands.h"

namespace rendercar::frontend {
namespace {

constexpr uint32_t kRequestBytes = 512;
constexpr uint32_t kNoSlot = ~0U;

}  // namespace

GpuDriver::GpuDriver(GuestRam* ram, SplitQueue* queue, uint32_t slots, Answers answers)
    : ram_(ram), queue_(queue), answers_(answers), slot_of_head_(queue->options().size, kNoSlot) {
  for (uint32_t i = 0; i < slots; ++i) {
    Slot slot;
    slot.request_addr = ram->Allocate(kRequestBytes, 64);
    slot.response_addr = ram->Allocate(kResponseBytes, 64);
    slots_.push_back(slot);
  }
  Reset();
}

void GpuDriver::Reset() {
  free_slots_.clear();
  for (uint32_t i = capacity(); i > 0; --i) free_slots_.push_back(i - 1);
  in_flight_ = 0;
}

void GpuDriver::FillPayload(Slot* slot, std::span<const std::byte> payload) {
  if (payload.size() > slot->payload_capacity) {
    slot->payload_addr = ram_->Allocate(payload.size(), 4096);
    slot->payload_capacity = static_cast<uint32_t>(payload.size());
  }
  std::memcpy(ram_->At(slot->payload_addr, payload.size()).data(), payload.data(), payload.size());
}

std::optional<uint32_t> GpuDriver::PostBytes(std::span<const std::byte> command,
                                             std::span<const std::byte> payload) {
  RC_CHECK(command.size() <= kRequestBytes, "a command larger than its slot");
  if (free_slots_.empty()) return std::nullopt;
  const uint32_t index = free_slots_.back();
  Slot& slot = slots_[index];
  std::memcpy(ram_->At(slot.request_addr, command.size()).data(), command.data(), command.size());
  std::array<Buffer, 3> buffers;
  size_t count = 0;
  buffers[count++] = {slot.request_addr, static_cast<uint32_t>(command.size()), false};
  if (!payload.empty()) {
    FillPayload(&slot, payload);
    buffers[count++] = {slot.payload_addr, static_cast<uint32_t>(payload.size()), false};
  }
  // Only the header: a device that writes less than it says is seen.
  std::memset(ram_->At(slot.response_addr, sizeof(virtio_gpu_ctrl_hdr)).data(), 0,
              sizeof(virtio_gpu_ctrl_hdr));
  if (answers_ == Answers::kYes) buffers[count++] = {slot.response_addr, kResponseBytes, true};
  const std::optional<uint16_t> head = queue_->Add(std::span(buffers).first(count));
  if (!head) return std::nullopt;
  free_slots_.pop_back();
  slot_of_head_[*head] = index;
  ++in_flight_;
  return index;
}

std::optional<uint32_t> GpuDriver::PollSlot() {
  const std::optional<UsedElement> used = queue_->Take();
  if (!used || used->head >= slot_of_head_.size()) return std::nullopt;
  const uint32_t index = std::exchange(slot_of_head_[used->head], kNoSlot);
  if (index == kNoSlot) return std::nullopt;
  slots_[index].written = used->written;
  free_slots_.push_back(index);
  --in_flight_;
  return index;
}

std::optional<uint32_t> GpuDriver::WaitSlot(std::chrono::milliseconds timeout) {
  while (true) {
    if (const std::optional<uint32_t> slot = PollSlot()) return slot;
    if (!queue_->WaitUsed(timeout)) return std::nullopt;
  }
}

virtio_gpu_ctrl_hdr GpuDriver::ResponseHeader(uint32_t slot) const {
  virtio_gpu_ctrl_hdr hdr;
  std::memcpy(&hdr, ram_->At(slots_[slot].response_addr, sizeof(hdr)).data(), sizeof(hdr));
  return hdr;
}

absl::StatusOr<GpuResponse> GpuDriver::Wait(std::chrono::milliseconds timeout) {
  const std::optional<uint32_t> index = WaitSlot(timeout);
  if (!index) return absl::DeadlineExceededError("the device did not answer");
  GpuResponse response;
  response.slot = *index;
  response.written = slots_[*index].written;
  const uint32_t size = std::min(response.written, kResponseBytes);
  const std::span<std::byte> bytes = ram_->At(slots_[*index].response_addr, size);
  response.bytes.assign(bytes.begin(), bytes.end());
  return response;
}

absl::StatusOr<GpuResponse> GpuDriver::CallBytes(std::span<const std::byte> command,
                                                 std::span<const std::byte> payload) {
  if (in_flight_ != 0) return absl::FailedPreconditionError("an earlier command has no answer yet");
  if (!PostBytes(command, payload)) return absl::ResourceExhaustedError("the ring is full");
  Publish();
  return Wait();
}

std::vector<std::byte> GpuDriver::Entries(std::span<const GuestSpan> spans) {
  std::vector<virtio_gpu_mem_entry> entries;
  for (const GuestSpan& span : spans) entries.push_back({span.addr, span.size, 0});
  const std::span<const std::byte> bytes = std::as_bytes(std::span(entries));
  return {bytes.begin(), bytes.end()};
}

uint32_t GpuDriver::AttachBacking(uint32_t resource_id, std::span<const GuestSpan> spans) {
  return TypeOf(ResourceAttachBacking(resource_id, static_cast<uint32_t>(spans.size())),
                Entries(spans));
}

}  // namespace rendercar::frontend
