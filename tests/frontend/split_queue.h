// The driver's side of a split virtqueue (virtio 1.2, section 2.7) with EVENT_IDX and
// INDIRECT_DESC; also raw access to its memory.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/status.h"
#include "common/unique_fd.h"
#include "tests/frontend/guest_ram.h"
#include "tests/frontend/vring_wire.h"

namespace rendercar::frontend {

// One descriptor's worth of a request.
struct Buffer {
  uint64_t addr = 0;
  uint32_t size = 0;
  bool device_writes = false;
};

struct UsedElement {
  uint16_t head = 0;
  uint32_t written = 0;
};

class SplitQueue {
 public:
  struct Options {
    uint16_t size = 64;
    bool event_idx = true;
    bool indirect = true;
  };
  SplitQueue() = default;
  // Lays the three rings out in `ram`, which outlives the queue.
  static absl::StatusOr<SplitQueue> Create(GuestRam* ram, const Options& options);

  // Puts one request into the available ring (as an indirect table when negotiated and longer than
  // one); the device sees it after Publish. nullopt: the ring is full.
  std::optional<uint16_t> Add(std::span<const Buffer> buffers);
  // Makes what was added visible and kicks if the device asked for that.
  void Publish();
  // The next finished request, if there is one.
  std::optional<UsedElement> Take();
  // Asks for a notification and sleeps until something is used; false after `timeout`.
  bool WaitUsed(std::chrono::milliseconds timeout);

  // What a driver's interrupt mitigation sees.
  uint64_t notifications();  // used-buffer notifications that the device has sent
  uint64_t kicks() const { return kicks_; }
  uint16_t in_flight() const { return static_cast<uint16_t>(next_avail_ - last_used_); }

  // A reset driver's view: empty rings, all indices zero, counters kept.
  void Reset();

  // Raw access, for tests that break rules.
  const Options& options() const { return options_; }
  uint64_t desc_addr() const { return desc_addr_; }
  uint64_t avail_addr() const { return avail_addr_; }
  uint64_t used_addr() const { return used_addr_; }
  virtq_desc& descriptor(uint16_t index) const;
  // Writes `head` into the available ring, whatever it names, and publishes and kicks.
  void PublishHead(uint16_t head);
  void SetAvailIndex(uint16_t index);
  uint16_t used_index() const;
  void Kick();

  int kick_fd() const { return kick_.get(); }
  int call_fd() const { return call_.get(); }
  int error_fd() const { return error_.get(); }
  // Whether the device signalled the vring error descriptor.
  bool TakeError();
  uint16_t last_used() const { return last_used_; }

 private:
  static constexpr uint16_t kTableEntries = 8;  // of an indirect table made by Add

  uint16_t* AvailField(size_t index) const;  // flags, idx, ring[size], used_event
  uint16_t* UsedEventField() const { return AvailField(2 + size_t{options_.size}); }
  virtq_used* used() const;
  uint16_t AvailEvent() const;
  std::optional<uint16_t> AddDirect(std::span<const Buffer> buffers);
  uint16_t AddIndirect(std::span<const Buffer> buffers);
  void Free(uint16_t head);
  bool HasUsed() const { return used_index() != last_used_; }

  Options options_;
  GuestRam* ram_ = nullptr;
  uint64_t desc_addr_ = 0, avail_addr_ = 0, used_addr_ = 0, tables_addr_ = 0;
  UniqueFd kick_, call_, error_;
  std::vector<uint16_t> free_;
  uint16_t next_avail_ = 0, published_ = 0, last_used_ = 0;
  uint64_t kicks_ = 0, notifications_ = 0;
};

}  // namespace rendercar::frontend
