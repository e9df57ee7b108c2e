// Requests from arrival to answer.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/request_table.h"

#include <cstring>
#include <utility>

namespace rendercar::gpu {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kMaxGeneration = 0x7fffffff;

// The device's one timeline, or one for each ring of each context.
uint64_t Key(const Timeline& timeline) {
  if (!timeline.has_ring_idx) return 0;
  return uint64_t{1} << 63 | uint64_t{timeline.ctx_id} << 8 | timeline.ring_idx;
}

StatsHistogram KindOf(StatsCommand command) {
  switch (command) {
    case StatsCommand::kResourceCreate2d:
    case StatsCommand::kResourceUnref:
    case StatsCommand::kSetScanout:
    case StatsCommand::kResourceFlush:
    case StatsCommand::kTransferToHost2d:
    case StatsCommand::kResourceAttachBacking:
    case StatsCommand::kResourceDetachBacking:
      return StatsHistogram::kCommand2d;
    case StatsCommand::kResourceCreateBlob:
    case StatsCommand::kSetScanoutBlob:
    case StatsCommand::kCtxCreate:
    case StatsCommand::kCtxDestroy:
    case StatsCommand::kCtxAttachResource:
    case StatsCommand::kCtxDetachResource:
    case StatsCommand::kResourceCreate3d:
    case StatsCommand::kTransferToHost3d:
    case StatsCommand::kTransferFromHost3d:
    case StatsCommand::kSubmit3d:
    case StatsCommand::kResourceMapBlob:
    case StatsCommand::kResourceUnmapBlob:
      return StatsHistogram::kCommand3d;
    case StatsCommand::kGetDisplayInfo:
    case StatsCommand::kGetCapsetInfo:
    case StatsCommand::kGetCapset:
    case StatsCommand::kGetEdid:
    case StatsCommand::kResourceAssignUuid:
    case StatsCommand::kUpdateCursor:
    case StatsCommand::kMoveCursor:
    case StatsCommand::kUnknown:
    case StatsCommand::kCount:
      break;
  }
  return StatsHistogram::kCommandOther;
}

}  // namespace

void RequestTable::Begin(Call& call) {
  if (now_ == Clock::time_point{}) now_ = Clock::now();
  call.arrived = now_;
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
  const StatsCommand command = wire::ToStatsCommand(call.hdr.type);
  stats_.CountCommand(command, ok ? StatsResult::kOk : StatsResult::kError);
  answered_ = Clock::now();
  if (now_ != Clock::time_point{}) now_ = answered_;
  stats_.Observe(KindOf(command), answered_ - call.arrived);
  return static_cast<uint32_t>(guest::CopyTo(call.chain, response));
}

void RequestTable::Answer(Call& call, std::span<std::byte> response) {
  const uint32_t written = WriteResponse(call, response);
  if (!call.fenced()) return port_.Complete(call.queue, call.chain.head, written);
  const auto timeline = timelines_.find(Key(call.timeline));
  if (timeline == timelines_.end()) {
    CountFence(call);
    return port_.Complete(call.queue, call.chain.head, written);
  }
  const uint32_t index = Take(std::move(call));
  slots_[index].finished = true;
  slots_[index].written_bytes = written;
  timeline->second.push_back(index);
}

// Right after WriteResponse of the call that let the fence be signaled.
void RequestTable::CountFence(const Call& call) {
  stats_.Count(StatsValue::kFencesSignaled);
  stats_.Observe(StatsHistogram::kFence, answered_ - call.arrived);
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
  stats_.Set(StatsValue::kRequestsInFlight, ++used_);
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
    CountFence(slots_[index].call);
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
  stats_.Set(StatsValue::kRequestsInFlight, --used_);
  port_.Complete(queue, head, written);
}

void RequestTable::FailAll() {
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].used || slots_[i].finished) continue;
    Finish(uint64_t{slots_[i].generation} << 32 | i, VIRTIO_GPU_RESP_ERR_UNSPEC);
  }
}

}  // namespace rendercar::gpu
