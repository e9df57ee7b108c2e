// Sends vhost-user messages in the order that a list of request numbers says: a recorded frontend.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tests/frontend/vhost_frontend.h"

namespace rendercar::frontend {

// What one release of QEMU sends, by phase; from a file in tests/message_orders.
struct MessageOrder {
  static absl::StatusOr<MessageOrder> Read(const std::string& path);

  std::string qemu;  // its version
  std::vector<uint32_t> realize, probe, start, stop, reset;
};

class MessageReplay {
 public:
  // Both outlive it. `frontend` is not realized: its channel, queues and display are used.
  MessageReplay(VhostFrontend* frontend, GuestRam* ram) : frontend_(frontend), ram_(ram) {}

  // Messages of one phase. Those of a ring come for ring 0 first, then for ring 1.
  absl::Status Send(std::span<const uint32_t> requests);
  // The driver starts anew: rings from index 0.
  void ForgetRings();
  uint64_t offered_features() const { return offered_; }

 private:
  absl::Status SendOne(uint32_t request);
  absl::Status SetVring(uint32_t request, uint32_t ring);
  absl::Status SendMemoryTable();
  absl::Status SetAddress(uint32_t ring);
  absl::Status StopRing(uint32_t ring);

  VhostFrontend* frontend_;
  GuestRam* ram_;
  uint64_t offered_ = 0;
  std::array<uint32_t, 2> bases_{};
  std::map<uint32_t, uint32_t> sent_;  // in this phase, by request
};

}  // namespace rendercar::frontend
