// Sends vhost-user messages in a recorded order.
// SPDX-License-Identifier: Apache-2.0
#include "tests/frontend/message_replay.h"

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

namespace rendercar::frontend {
namespace {

// What QEMU takes of the device's features for a Linux driver without 3D.
constexpr uint64_t kDriverFeatures = Bit(kVirtioVersion1) | Bit(kVhostUserProtocolFeatures) |
                                     Bit(VIRTIO_GPU_F_EDID) | Bit(kRingEventIdx) |
                                     Bit(kRingIndirectDesc);

}  // namespace

absl::StatusOr<MessageOrder> MessageOrder::Read(const std::string& path) {
  std::ifstream file(path);
  const auto json = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::InvalidArgumentError("no message order in '" + path + "'");
  const auto list = [&json](const char* phase) {
    std::vector<uint32_t> requests;
    for (const auto& one : json.at(phase)) requests.push_back(one.get<uint32_t>());
    return requests;
  };
  return MessageOrder{json.at("qemu").get<std::string>(),
                      list("realize"),
                      list("probe"),
                      list("start"),
                      list("stop"),
                      list("reset")};
}

absl::Status MessageReplay::Send(std::span<const uint32_t> requests) {
  sent_.clear();
  for (const uint32_t request : requests) {
    const absl::Status sent = SendOne(request);
    if (!sent.ok())
      return absl::Status(
          sent.code(), "request " + std::to_string(request) + ": " + std::string(sent.message()));
  }
  return absl::OkStatus();
}

absl::Status MessageReplay::SendOne(uint32_t request) {
  VhostChannel& channel = frontend_->channel();
  switch (request) {
    case VHOST_USER_GET_FEATURES: {
      RC_ASSIGN_OR_RETURN(offered_, channel.GetU64(request));
      return absl::OkStatus();
    }
    case VHOST_USER_GET_PROTOCOL_FEATURES:
    case VHOST_USER_GET_QUEUE_NUM:
      return channel.GetU64(request).status();
    case VHOST_USER_SET_PROTOCOL_FEATURES:
      return channel.SetU64(
          request, Bit(VHOST_USER_PROTOCOL_F_MQ) | Bit(VHOST_USER_PROTOCOL_F_REPLY_ACK) |
                       Bit(VHOST_USER_PROTOCOL_F_CONFIG) | Bit(VHOST_USER_PROTOCOL_F_RESET_DEVICE));
    case VHOST_USER_SET_FEATURES:
      return channel.SetU64(request, offered_ & kDriverFeatures);
    case VHOST_USER_SET_MEM_TABLE:
      return SendMemoryTable();
    case VHOST_USER_GPU_SET_SOCKET:
      return frontend_->SendDisplaySocket();
    case VHOST_USER_GET_CONFIG:
      return frontend_->GetConfig().status();
    case VHOST_USER_SET_CONFIG:
      return frontend_->ClearEvents(VIRTIO_GPU_EVENT_DISPLAY);
    case VHOST_USER_SET_OWNER:
    case VHOST_USER_RESET_OWNER:
    case VHOST_USER_RESET_DEVICE:
      return channel.Send(request);
    default:
      return SetVring(request, sent_[request]++ % 2);
  }
}

absl::Status MessageReplay::SetVring(uint32_t request, uint32_t ring) {
  const auto state = [&](uint32_t value) {
    return frontend_->channel().Send(request, BytesOf(VhostVringState{ring, value}));
  };
  const auto descriptor = [&](int fd) {
    const int fds[] = {fd};
    return frontend_->channel().SetU64(request, ring, fds);
  };
  const SplitQueue& queue = frontend_->queue(ring);
  switch (request) {
    case VHOST_USER_SET_VRING_NUM:
      return state(queue.options().size);
    case VHOST_USER_SET_VRING_BASE:
      return state(bases_[ring]);
    case VHOST_USER_SET_VRING_ENABLE:
      // A start enables what a stop disables.
      return state(sent_.count(VHOST_USER_SET_VRING_KICK) != 0 ? 1 : 0);
    case VHOST_USER_SET_VRING_ADDR:
      return SetAddress(ring);
    case VHOST_USER_GET_VRING_BASE:
      return StopRing(ring);
    case VHOST_USER_SET_VRING_KICK:
      return descriptor(queue.kick_fd());
    case VHOST_USER_SET_VRING_CALL:
      return descriptor(queue.call_fd());
    case VHOST_USER_SET_VRING_ERR:
      return descriptor(queue.error_fd());
    default:
      return absl::UnimplementedError("no frontend of ours sends it");
  }
}

absl::Status MessageReplay::SendMemoryTable() {
  const VhostUserMemory table = frontend_->MemoryTable();
  std::vector<int> fds;
  for (const GuestRam::Region& region : ram_->regions()) fds.push_back(region.fd.get());
  RC_ASSIGN_OR_RETURN(
      const uint64_t ack,
      frontend_->channel().CallForAck(
          VHOST_USER_SET_MEM_TABLE,
          BytesOf(table).first(8 + table.nregions * sizeof(VhostUserMemoryRegion)), fds));
  return ack == 0 ? absl::OkStatus() : absl::InternalError("refused");
}

absl::Status MessageReplay::SetAddress(uint32_t ring) {
  const SplitQueue& queue = frontend_->queue(ring);
  VhostVringAddr addr{};
  addr.index = ring;
  addr.desc_user_addr = ram_->UserAddress(queue.desc_addr());
  addr.used_user_addr = ram_->UserAddress(queue.used_addr());
  addr.avail_user_addr = ram_->UserAddress(queue.avail_addr());
  return frontend_->channel().Send(VHOST_USER_SET_VRING_ADDR, BytesOf(addr));
}

absl::Status MessageReplay::StopRing(uint32_t ring) {
  RC_ASSIGN_OR_RETURN(bases_[ring], frontend_->StopRing(ring));
  return absl::OkStatus();
}

void MessageReplay::ForgetRings() {
  bases_ = {};
  frontend_->ForgetRings();
}

}  // namespace rendercar::frontend
