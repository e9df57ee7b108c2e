// From the bytes and descriptors of one vhost-user message to a value that is checked in itself.
// SPDX-License-Identifier: Apache-2.0
#include "backend/wire/vhost_user_decode.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

namespace rendercar::wire {
namespace {

// One message while it is taken apart; each helper says what is wrong with it.
struct Raw {
  const VhostUserHeader& header;
  std::span<const std::byte> payload;
  std::vector<UniqueFd>& fds;

  absl::Status Wrong(std::string_view what) const {
    return absl::InvalidArgumentError(
        fmt::format("{}: {}", VhostUserRequestName(header.request), what));
  }
  absl::Status CheckFds(size_t wanted) const {
    if (fds.size() == wanted) return absl::OkStatus();
    return Wrong(fmt::format("{} descriptors came, {} are due", fds.size(), wanted));
  }
  absl::Status CheckSize(size_t wanted) const {
    if (payload.size() == wanted) return absl::OkStatus();
    return Wrong(fmt::format("a payload of {} bytes came, {} are due", payload.size(), wanted));
  }
  // The payload as a T, of just its size, with no descriptors.
  template <typename T>
  absl::StatusOr<T> As() const {
    RC_RETURN_IF_ERROR(CheckSize(sizeof(T)));
    RC_RETURN_IF_ERROR(CheckFds(0));
    T value;
    std::memcpy(&value, payload.data(), sizeof(T));
    return value;
  }
  absl::StatusOr<VhostUserMessage> Empty(VhostUserMessage message) const {
    RC_RETURN_IF_ERROR(CheckSize(0));
    RC_RETURN_IF_ERROR(CheckFds(0));
    return message;
  }
};

absl::StatusOr<VhostUserMessage> DecodeMemTable(const Raw& raw) {
  VhostUserMemoryHeader table;
  if (raw.payload.size() < sizeof(table)) return raw.CheckSize(sizeof(table));
  std::memcpy(&table, raw.payload.data(), sizeof(table));
  if (table.nregions > VHOST_MEMORY_BASELINE_NREGIONS)
    return raw.Wrong(fmt::format("{} regions, at most {} can come", table.nregions,
                                 VHOST_MEMORY_BASELINE_NREGIONS));
  RC_RETURN_IF_ERROR(raw.CheckSize(sizeof(table) + table.nregions * sizeof(VhostUserMemoryRegion)));
  RC_RETURN_IF_ERROR(raw.CheckFds(table.nregions));
  SetMemTable message;
  for (size_t i = 0; i < table.nregions; ++i) {
    SetMemTable::Region region;
    std::memcpy(&region.description,
                raw.payload.data() + sizeof(table) + i * sizeof(region.description),
                sizeof(region.description));
    region.fd = std::move(raw.fds[i]);
    message.regions.push_back(std::move(region));
  }
  return VhostUserMessage(std::move(message));
}

absl::StatusOr<VhostUserMessage> DecodeVringFd(const Raw& raw, SetVringFd::Kind kind) {
  uint64_t value = 0;
  RC_RETURN_IF_ERROR(raw.CheckSize(sizeof(value)));
  std::memcpy(&value, raw.payload.data(), sizeof(value));
  const bool has_fd = (value & VHOST_USER_VRING_NOFD_MASK) == 0;
  RC_RETURN_IF_ERROR(raw.CheckFds(has_fd ? 1 : 0));
  SetVringFd message;
  message.kind = kind;
  message.index = static_cast<uint32_t>(value & VHOST_USER_VRING_IDX_MASK);
  if (has_fd) message.fd = std::move(raw.fds[0]);
  return VhostUserMessage(std::move(message));
}

absl::StatusOr<VhostUserMessage> DecodeConfig(const Raw& raw) {
  SetConfig config;
  if (raw.payload.size() < sizeof(config.header)) return raw.CheckSize(sizeof(config.header));
  std::memcpy(&config.header, raw.payload.data(), sizeof(config.header));
  const VhostUserConfigHeader& header = config.header;
  if (header.size > VHOST_USER_MAX_CONFIG_SIZE ||
      header.offset > VHOST_USER_MAX_CONFIG_SIZE - header.size) {
    return raw.Wrong(fmt::format("{} bytes at {} of a configuration space of at most {}",
                                 header.size, header.offset, VHOST_USER_MAX_CONFIG_SIZE));
  }
  RC_RETURN_IF_ERROR(raw.CheckSize(sizeof(header) + header.size));
  RC_RETURN_IF_ERROR(raw.CheckFds(0));
  if (raw.header.request == VHOST_USER_GET_CONFIG) return VhostUserMessage(GetConfig{header});
  std::memcpy(config.bytes.data(), raw.payload.data() + sizeof(header), header.size);
  return VhostUserMessage(config);
}

absl::StatusOr<VhostUserMessage> DecodeVringState(const Raw& raw) {
  RC_ASSIGN_OR_RETURN(const auto state, raw.As<vhost_vring_state>());
  switch (raw.header.request) {
    case VHOST_USER_SET_VRING_NUM:
      return VhostUserMessage(SetVringNum{state.index, state.num});
    case VHOST_USER_SET_VRING_BASE:
      if (state.num > 0xffff)
        return raw.Wrong(fmt::format("index {} of a split virtqueue has 16 bits", state.num));
      return VhostUserMessage(SetVringBase{state.index, static_cast<uint16_t>(state.num)});
    case VHOST_USER_SET_VRING_ENABLE:
      if (state.num > 1) return raw.Wrong(fmt::format("{} is neither 0 nor 1", state.num));
      return VhostUserMessage(SetVringEnable{state.index, state.num == 1});
    default:
      return VhostUserMessage(GetVringBase{state.index});
  }
}

absl::StatusOr<VhostUserMessage> DecodeSocket(const Raw& raw) {
  RC_RETURN_IF_ERROR(raw.CheckSize(0));
  RC_RETURN_IF_ERROR(raw.CheckFds(1));
  return VhostUserMessage(GpuSetSocket{std::move(raw.fds[0])});
}

absl::StatusOr<VhostUserMessage> Decode(const Raw& raw) {
  switch (raw.header.request) {
    case VHOST_USER_GET_FEATURES:
      return raw.Empty(GetFeatures());
    case VHOST_USER_GET_PROTOCOL_FEATURES:
      return raw.Empty(GetProtocolFeatures());
    case VHOST_USER_SET_OWNER:
      return raw.Empty(SetOwner());
    case VHOST_USER_RESET_OWNER:
      return raw.Empty(ResetOwner());
    case VHOST_USER_GET_QUEUE_NUM:
      return raw.Empty(GetQueueNum());
    case VHOST_USER_RESET_DEVICE:
      return raw.Empty(ResetDevice());
    case VHOST_USER_SET_FEATURES: {
      RC_ASSIGN_OR_RETURN(const auto features, raw.As<uint64_t>());
      return VhostUserMessage(SetFeatures{features});
    }
    case VHOST_USER_SET_PROTOCOL_FEATURES: {
      RC_ASSIGN_OR_RETURN(const auto features, raw.As<uint64_t>());
      return VhostUserMessage(SetProtocolFeatures{features});
    }
    case VHOST_USER_SET_VRING_ADDR: {
      RC_ASSIGN_OR_RETURN(const auto addr, raw.As<vhost_vring_addr>());
      return VhostUserMessage(SetVringAddr{addr});
    }
    case VHOST_USER_SET_VRING_NUM:
    case VHOST_USER_SET_VRING_BASE:
    case VHOST_USER_GET_VRING_BASE:
    case VHOST_USER_SET_VRING_ENABLE:
      return DecodeVringState(raw);
    case VHOST_USER_SET_VRING_KICK:
      return DecodeVringFd(raw, SetVringFd::Kind::kKick);
    case VHOST_USER_SET_VRING_CALL:
      return DecodeVringFd(raw, SetVringFd::Kind::kCall);
    case VHOST_USER_SET_VRING_ERR:
      return DecodeVringFd(raw, SetVringFd::Kind::kErr);
    case VHOST_USER_SET_MEM_TABLE:
      return DecodeMemTable(raw);
    case VHOST_USER_GET_CONFIG:
    case VHOST_USER_SET_CONFIG:
      return DecodeConfig(raw);
    case VHOST_USER_GPU_SET_SOCKET:
      return DecodeSocket(raw);
    default:
      return VhostUserMessage(Unsupported{raw.header.request});
  }
}

}  // namespace

absl::Status CheckHeader(const VhostUserHeader& header) {
  if ((header.flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION)
    return absl::InvalidArgumentError(fmt::format(
        "{}: protocol version {}, only {} is spoken", VhostUserRequestName(header.request),
        header.flags & VHOST_USER_VERSION_MASK, VHOST_USER_VERSION));
  if ((header.flags & VHOST_USER_REPLY_MASK) != 0)
    return absl::InvalidArgumentError(
        fmt::format("{}: marked as a reply to a request that nobody made",
                    VhostUserRequestName(header.request)));
  if (header.size > kMaxVhostUserPayload)
    return absl::InvalidArgumentError(fmt::format("{}: announces {} bytes, at most {} are taken",
                                                  VhostUserRequestName(header.request), header.size,
                                                  kMaxVhostUserPayload));
  return absl::OkStatus();
}

absl::StatusOr<VhostUserMessage> DecodeVhostUser(const VhostUserHeader& header,
                                                 std::span<const std::byte> payload,
                                                 std::vector<UniqueFd> fds) {
  RC_RETURN_IF_ERROR(CheckHeader(header));
  return Decode(Raw{header, payload, fds});
}

std::string VhostUserRequestName(uint32_t request) {
  switch (request) {
#define RC_NAME(name) \
  case name:          \
    return #name
    RC_NAME(VHOST_USER_GET_FEATURES);
    RC_NAME(VHOST_USER_SET_FEATURES);
    RC_NAME(VHOST_USER_SET_OWNER);
    RC_NAME(VHOST_USER_RESET_OWNER);
    RC_NAME(VHOST_USER_SET_MEM_TABLE);
    RC_NAME(VHOST_USER_SET_LOG_BASE);
    RC_NAME(VHOST_USER_SET_LOG_FD);
    RC_NAME(VHOST_USER_SET_VRING_NUM);
    RC_NAME(VHOST_USER_SET_VRING_ADDR);
    RC_NAME(VHOST_USER_SET_VRING_BASE);
    RC_NAME(VHOST_USER_GET_VRING_BASE);
    RC_NAME(VHOST_USER_SET_VRING_KICK);
    RC_NAME(VHOST_USER_SET_VRING_CALL);
    RC_NAME(VHOST_USER_SET_VRING_ERR);
    RC_NAME(VHOST_USER_GET_PROTOCOL_FEATURES);
    RC_NAME(VHOST_USER_SET_PROTOCOL_FEATURES);
    RC_NAME(VHOST_USER_GET_QUEUE_NUM);
    RC_NAME(VHOST_USER_SET_VRING_ENABLE);
    RC_NAME(VHOST_USER_GET_CONFIG);
    RC_NAME(VHOST_USER_SET_CONFIG);
    RC_NAME(VHOST_USER_GPU_SET_SOCKET);
    RC_NAME(VHOST_USER_RESET_DEVICE);
#undef RC_NAME
    default:
      return fmt::format("vhost-user request {}", request);
  }
}

std::vector<std::byte> EncodeVhostUserReply(uint32_t request, std::span<const std::byte> payload) {
  const VhostUserHeader header{request, VHOST_USER_VERSION | VHOST_USER_REPLY_MASK,
                               static_cast<uint32_t>(payload.size())};
  std::vector<std::byte> bytes(sizeof(header) + payload.size());
  std::memcpy(bytes.data(), &header, sizeof(header));
  if (!payload.empty()) std::memcpy(bytes.data() + sizeof(header), payload.data(), payload.size());
  return bytes;
}

}  // namespace rendercar::wire
