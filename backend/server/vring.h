// One virtqueue as the vhost-user protocol sets it up: addresses, descriptors, started or stopped,
// enabled or disabled. Work thread.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "backend/guest/guest_memory.h"
#include "backend/guest/virtqueue.h"
#include "backend/server/server_state.h"
#include "backend/wire/vhost_user.h"
#include "common/event_loop.h"
#include "common/stats_page.h"
#include "common/status.h"
#include "common/unique_fd.h"

namespace rendercar::server {

class Vring {
 public:
  // `on_kick` is called on `loop` when the driver kicks.
  Vring(EventLoop& loop, StatsWriter& stats, uint32_t index, Task on_kick);
  ~Vring();
  Vring(const Vring&) = delete;
  Vring& operator=(const Vring&) = delete;

  // What the frontend says; each is InvalidArgument, in words, when it makes no sense now.
  absl::Status SetNum(uint32_t num);
  absl::Status SetAddr(const wire::vhost_vring_addr& addr,
                       const std::shared_ptr<const guest::GuestMemory>& memory);
  absl::Status SetBase(uint16_t base);
  absl::Status SetKick(UniqueFd fd);
  void SetCall(UniqueFd fd);
  void SetErr(UniqueFd fd) { err_ = std::move(fd); }
  void SetEnabled(bool enabled) { enabled_ = enabled; }

  // Starts the ring if everything for it is there and it is not started.
  absl::Status MaybeStart(const std::shared_ptr<const guest::GuestMemory>& memory,
                          uint64_t features);
  // Takes another memory table; the ring goes on where it is. Nothing may be in flight.
  absl::Status SetMemory(const std::shared_ptr<const guest::GuestMemory>& memory);
  // GET_VRING_BASE: stops it and gives the index of the next request.
  uint16_t Stop();
  // The ring is malformed: nothing more is taken from it until it is stopped; the frontend is told.
  void Break(const absl::Status& why);

  // For a successor process: no kick is taken between the two, nor lost. Save is for a frozen ring;
  // Restore makes one of a fresh ring, InvalidArgument where that cannot be.
  void Freeze();
  void Thaw();
  RingState Save(wire::LeftFds& fds) const;
  absl::Status Restore(const RingState& state, wire::TakenFds& fds,
                       const std::shared_ptr<const guest::GuestMemory>& memory);

  // Whether requests are to be taken from it.
  bool active() const { return queue_.has_value() && enabled_ && !broken_; }
  bool started() const { return queue_.has_value(); }
  guest::Virtqueue* queue() { return queue_ ? &*queue_ : nullptr; }
  // What the last Stop returned; a frontend that starts elsewhere had its driver reset.
  std::optional<uint16_t> stopped_at() const { return stopped_at_; }
  void ForgetStop() { stopped_at_.reset(); }

  // Publishes what was pushed, and notifies the driver if it wants that.
  void PublishUsed();

 private:
  absl::Status CheckStopped(const char* request) const;
  void WatchKick();
  void DropKick();

  EventLoop& loop_;
  StatsWriter& stats_;
  const uint32_t index_;
  Task on_kick_;

  guest::Virtqueue::Config config_;
  bool has_addr_ = false;
  UniqueFd kick_, call_, err_;
  bool kick_needs_read_ = false;
  bool frozen_ = false;
  bool enabled_ = false;
  bool broken_ = false;
  std::optional<guest::Virtqueue> queue_;
  std::optional<uint16_t> stopped_at_;
};

}  // namespace rendercar::server
