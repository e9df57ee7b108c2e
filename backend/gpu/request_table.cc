// Requests from arrival to answer.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/request_table.h"

#include <cstring>
#include <utility>

namespace rendercar::gpu {
namespace {

constexpr uint32_t kMaxGeneration = 0x7fffffff;

// The device's one timeline, or one for each ring of each context.
uint64_t Key(const Timeline& timeline) {
  if (!timeline.has_ring_idx) return 0;
  return uint64_t{1} << 63 | uint64_t{timeline.ctx_id} << 8 | timeline.ring_idx;
}

}  // namespace

void RequestTable::Begin(const Call& call) {
  if (call.fenced()) stats_.Count(StatsValue::kFencesCreated);
}

uint32_t RequestTable::WriteResponse(const Call& call, std::span<std::byte> response) {
  virtio_gpu_ctrl_hdr hdr{};
  std::memcpy(&hdr.type, response.data(), sizeof(hdr.type));
  hdr.flags = call.hdr.flags & (VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX);
  if (call.fenced()) hdr.fence_id = call.hdr.fence_id;
  hdr.ctx_id = call.hdr.ctx_id;
  hdr.ring_idx = call.hdr.ring_idx;
  std::memcpy(response.data(), &hdr, sizeof(hdr));
  const bool ok = hdr.type < VIRTIO_GPU_RESP_ERR_UNSPEC;
  stats_.CountCommand(wire::ToStatsCommand(call.hdr.type),
                      ok ? StatsResult::kOk : StatsResult::kError);
  return static_cast<uint32_t>(guest::CopyTo(call.chain, response));
}

void RequestTable::Answer(Call& call, std::span<std::byte> response) {
  const uint32_t written = WriteResponse(call, response);
  if (!call.fenced()) return port_.Complete(call.queue, call.chain.head, written);
  const auto timeline = timelines_.find(Key(call.timeline));
  if (timeline == timelines_.end()) {
    stats_.Count(StatsValue::kFencesSignaled);
    return port_.Complete(call.queue, call.chain.head, written);
  }
  const uint32_t index = Take(std::move(call));
  slots_[index].finished = true;
  slots_[index].written_bytes = written;
  timeline->second.push_back(index);
}

uint32_t RequestTable::Take(Call call) {
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const uint32_t index = free_.back();
  free_.pop_back();
  Slot& slot = slots_[index];
  slot.call = std::move(call);
  slot.used = true;
  slot.finished = false;
  ++used_;
  return index;
}

CallToken RequestTable::Park(Call call) {
  const bool fenced = call.fenced();
  const uint64_t key = Key(call.timeline);
  const uint32_t index = Take(std::move(call));
  ++waiting_;
  if (fenced) timelines_[key].push_back(index);
  return uint64_t{slots_[index].generation} << 32 | index;
}

Call* RequestTable::Find(CallToken token) {
  const auto index = static_cast<uint32_t>(token);
  if (index >= slots_.size()) return nullptr;
  Slot& slot = slots_[index];
  if (!slot.used || slot.finished || slot.generation != token >> 32) return nullptr;
  return &slot.call;
}

void RequestTable::Finish(CallToken token, std::span<std::byte> response) {
  if (Find(token) == nullptr) return;
  const auto index = static_cast<uint32_t>(token);
  Slot& slot = slots_[index];
  slot.written_bytes = WriteResponse(slot.call, response);
  slot.finished = true;
  --waiting_;
  if (slot.call.fenced()) return Drain(Key(slot.call.timeline));
  GiveBack(index);
}

void RequestTable::Finish(CallToken token, uint32_t type) {
  virtio_gpu_ctrl_hdr response{};
  response.type = type;
  Finish(token, std::as_writable_bytes(std::span(&response, 1)));
}

void RequestTable::Drain(uint64_t timeline_key) {
  const auto timeline = timelines_.find(timeline_key);
  RC_CHECK(timeline != timelines_.end(), "a fenced request that is on no timeline");
  std::deque<uint32_t>& order = timeline->second;
  while (!order.empty() && slots_[order.front()].finished) {
    const uint32_t index = order.front();
    order.pop_front();
    stats_.Count(StatsValue::kFencesSignaled);
    GiveBack(index);
  }
  if (order.empty()) timelines_.erase(timeline_key);
}

void RequestTable::GiveBack(uint32_t index) {
  Slot& slot = slots_[index];
  const Queue queue = slot.call.queue;
  const uint16_t head = slot.call.chain.head;
  const uint32_t written = slot.written_bytes;
  slot.call.chain.readable.clear();
  slot.call.chain.writable.clear();
  slot.used = false;
  ++slot.generation;
  if (slot.generation > kMaxGeneration) slot.generation = 1;
  free_.push_back(index);
  --used_;
  port_.Complete(queue, head, written);
}

void RequestTable::FailAll() {
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].used || slots_[i].finished) continue;
    Finish(uint64_t{slots_[i].generation} << 32 | i, VIRTIO_GPU_RESP_ERR_UNSPEC);
  }
}

}  // namespace rendercar::gpu
