// What a device process leaves for its successor: its connection, rings, device and listeners.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "backend/gpu/device_state.h"
#include "backend/guest/virtqueue.h"
#include "backend/wire/state_fds.h"
#include "common/shared_memory.h"
#include "common/status.h"
#include "common/unique_fd.h"

namespace rendercar::server {

inline constexpr uint32_t kQueues = 2;

// Of the bytes that follow. A process that reads another version only refuses; add one with each
// change, and keep reading the one before.
inline constexpr uint32_t kStateVersion = 1;
inline constexpr uint32_t kOldestStateVersion = 1;

struct RingState {
  guest::Virtqueue::Config config;
  bool has_addr = false, enabled = false, broken = false, started = false;
  std::optional<uint16_t> stopped_at;
  int32_t kick = wire::kNoFd, call = wire::kNoFd, err = wire::kNoFd;
};

struct RegionState {
  uint64_t guest_addr = 0, size_bytes = 0, user_addr = 0, mmap_offset = 0;
  int32_t fd = wire::kNoFd;
};

struct WorkerState {
  uint64_t features = 0;
  bool has_memory = false;
  std::vector<RegionState> regions;
  std::array<RingState, kQueues> rings;
  gpu::DeviceState device;
};

struct FrontendState {
  int32_t socket = wire::kNoFd;
  uint64_t offered_features = 0;
  uint64_t protocol_features = 0;
  bool memory_came = false, memory_expected = false;
  WorkerState worker;
};

struct ServerState {
  int32_t listener = wire::kNoFd, screenshots = wire::kNoFd, handovers = wire::kNoFd;
  int32_t stats = wire::kNoFd;
  int64_t frozen_at_ns = 0;  // of the steady clock: since then the guest waits
  std::optional<FrontendState> frontend;
};

// A state in sealed memory: a header, the state, and from a page's start the pixels.
absl::StatusOr<UniqueFd> Pack(ServerState& state, const gpu::Pictures& pictures);

struct Unpacked {
  ServerState state;
  Mapping memory;
  std::span<const std::byte> pixels;  // in `memory`
};
// InvalidArgument when the memory holds no state of a version that is known, or can shrink.
absl::StatusOr<Unpacked> Unpack(int memory);

// The state alone, as it lies in such memory.
std::vector<std::byte> EncodeState(ServerState& state);
absl::StatusOr<ServerState> DecodeState(std::span<const std::byte> bytes);

}  // namespace rendercar::server
