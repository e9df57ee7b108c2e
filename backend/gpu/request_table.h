// Requests of the guest from arrival to answer: responses, fence order, and those that wait.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "backend/gpu/gpu_device.h"
#include "backend/wire/virtio_gpu_decode.h"
#include "common/stats_page.h"

namespace rendercar::gpu {

// One request that is being carried out.
struct Call {
  Queue queue = Queue::kControl;
  guest::DescriptorChain chain;
  virtio_gpu_ctrl_hdr hdr{};  // private copy
  Timeline timeline;
  uint32_t creates_resource = 0;                    // gone again when the renderer refuses it
  std::chrono::steady_clock::time_point arrived{};  // set by RequestTable::Begin

  bool fenced() const { return (hdr.flags & VIRTIO_GPU_FLAG_FENCE) != 0; }
};

// A call that waits for something; 0 is none, and the highest bit is never set.
using CallToken = uint64_t;

// virtio 1.2, 5.7.6.7: a fenced request is answered after its processing is complete and after all
// earlier fenced requests of its timeline; an unfenced one as soon as it is answered.
class RequestTable {
 public:
  RequestTable(QueuePort& port, StatsWriter& stats) : port_(port), stats_(stats) {}

  // Notes the arrival of a call; before any of the functions below.
  void Begin(Call& call);
  // No request is being handled: time goes on until the next.
  void EndBatch() { now_ = {}; }

  // Answers a call that was never parked. `response` starts with a virtio_gpu_ctrl_hdr whose type
  // is set; the rest of the header is filled in here.
  void Answer(Call& call, std::span<std::byte> response);

  // Keeps a call until Finish; its place in the fence order is taken now.
  CallToken Park(Call call);
  // The call that `token` names; null when it was answered already.
  Call* Find(CallToken token);
  void Finish(CallToken token, std::span<std::byte> response);
  // Finishes with a response that is a type and nothing more.
  void Finish(CallToken token, uint32_t type);
  // Finishes everything that waits with RESP_ERR_UNSPEC.
  void FailAll();

  // Requests that are not given back to the guest yet.
  size_t in_flight() const { return used_; }
  // Parked and not finished.
  size_t waiting() const { return waiting_; }

 private:
  struct Slot {
    Call call;
    uint32_t generation = 1;
    bool used = false;
    bool finished = false;
    uint32_t written_bytes = 0;
  };

  uint32_t Take(Call call);
  void CountFence(const Call& call);
  uint32_t WriteResponse(const Call& call, std::span<std::byte> response);
  void GiveBack(uint32_t index);
  void Drain(uint64_t timeline_key);

  QueuePort& port_;
  StatsWriter& stats_;
  std::deque<Slot> slots_;  // addresses are stable
  std::vector<uint32_t> free_;
  absl::flat_hash_map<uint64_t, std::deque<uint32_t>> timelines_;  // fenced slots in their order
  // Requests of a batch follow each other at once: the answer of one is the arrival of the next, so
  // that each costs one look at the clock. Zero between batches.
  std::chrono::steady_clock::time_point now_{};
  std::chrono::steady_clock::time_point answered_{};  // the last answer
  size_t used_ = 0;
  size_t waiting_ = 0;
};

}  // namespace rendercar::gpu
