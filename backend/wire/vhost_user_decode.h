// From the bytes and descriptors of one vhost-user message to a value that is checked in itself;
// whether it fits what was negotiated is the server's to say.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "backend/wire/vhost_user.h"
#include "common/status.h"
#include "common/unique_fd.h"

namespace rendercar::wire {

struct GetFeatures {};
struct SetFeatures {
  uint64_t features = 0;
};
struct GetProtocolFeatures {};
struct SetProtocolFeatures {
  uint64_t features = 0;
};
struct SetOwner {};
struct ResetOwner {};
struct SetMemTable {
  struct Region {
    VhostUserMemoryRegion description{};
    UniqueFd fd;
  };
  std::vector<Region> regions;  // VHOST_MEMORY_BASELINE_NREGIONS at most
};
struct SetVringNum {
  uint32_t index = 0;
  uint32_t num = 0;
};
struct SetVringAddr {
  vhost_vring_addr addr{};
};
struct SetVringBase {
  uint32_t index = 0;
  uint16_t base = 0;
};
struct GetVringBase {
  uint32_t index = 0;
};
struct SetVringFd {
  enum class Kind { kKick, kCall, kErr };
  Kind kind = Kind::kKick;
  uint32_t index = 0;
  UniqueFd fd;  // empty when the message says that none comes
};
struct GetQueueNum {};
struct SetVringEnable {
  uint32_t index = 0;
  bool enable = false;
};
struct GetConfig {
  VhostUserConfigHeader header{};  // offset + size at most VHOST_USER_MAX_CONFIG_SIZE
};
struct SetConfig {
  VhostUserConfigHeader header{};
  std::array<std::byte, VHOST_USER_MAX_CONFIG_SIZE> bytes{};  // header.size of them
};
struct GpuSetSocket {
  UniqueFd socket;
};
struct ResetDevice {};
// A request of a feature that we do not offer, or of a later protocol.
struct Unsupported {
  uint32_t request = 0;
};

using VhostUserMessage =
    std::variant<GetFeatures, SetFeatures, GetProtocolFeatures, SetProtocolFeatures, SetOwner,
                 ResetOwner, SetMemTable, SetVringNum, SetVringAddr, SetVringBase, GetVringBase,
                 SetVringFd, GetQueueNum, SetVringEnable, GetConfig, SetConfig, GpuSetSocket,
                 ResetDevice, Unsupported>;

// The largest payload that is received at all, for any request.
inline constexpr uint32_t kMaxVhostUserPayload = 1024;
// The most descriptors that any message may bring.
inline constexpr size_t kMaxVhostUserFds = VHOST_MEMORY_BASELINE_NREGIONS;

// Version, direction and size cap: what can be said before the payload is there.
absl::Status CheckHeader(const VhostUserHeader& header);

// InvalidArgument, in words, when the payload has not exactly the request's size, the descriptors
// are too few or too many, or a value is impossible.
absl::StatusOr<VhostUserMessage> DecodeVhostUser(const VhostUserHeader& header,
                                                 std::span<const std::byte> payload,
                                                 std::vector<UniqueFd> fds);

// "VHOST_USER_SET_MEM_TABLE"; "vhost-user request 99" for one that we do not know.
std::string VhostUserRequestName(uint32_t request);

// The bytes of the reply to `request`.
std::vector<std::byte> EncodeVhostUserReply(uint32_t request, std::span<const std::byte> payload);

}  // namespace rendercar::wire
