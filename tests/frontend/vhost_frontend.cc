// The frontend's side of the vhost-user protocol in QEMU 10's message order: realize, DRIVER_OK,
// stop, reset.
// SPDX-License-Identifier: Apache-2.0
#include "tests/frontend/vhost_frontend.h"

#include <sys/eventfd.h>

#include <cstring>

namespace rendercar::frontend {
namespace {

// What QEMU 10 acknowledges of what a backend offers.
constexpr uint64_t kQemuProtocolFeatures =
    (1ULL << VHOST_USER_PROTOCOL_F_MQ) | (1ULL << VHOST_USER_PROTOCOL_F_REPLY_ACK) |
    (1ULL << VHOST_USER_PROTOCOL_F_CONFIG) | (1ULL << VHOST_USER_PROTOCOL_F_RESET_DEVICE);
constexpr uint32_t kConfigBytes = sizeof(virtio_gpu_config);

}  // namespace

absl::StatusOr<VhostFrontend> VhostFrontend::Create(UniqueFd socket, GuestRam* ram,
                                                    const FrontendOptions& options) {
  const uint16_t control_size =
      options.control_size != 0 ? options.control_size : uint16_t(options.virgl ? 256 : 64);
  RC_ASSIGN_OR_RETURN(SplitQueue control,
                      SplitQueue::Create(ram, {control_size, options.event_idx, options.indirect}));
  RC_ASSIGN_OR_RETURN(
      SplitQueue cursor,
      SplitQueue::Create(ram, {options.cursor_size, options.event_idx, options.indirect}));
  return VhostFrontend(std::move(socket), ram, options,
                       std::array<SplitQueue, 2>{std::move(control), std::move(cursor)});
}

VhostFrontend::VhostFrontend(UniqueFd socket, GuestRam* ram, const FrontendOptions& options,
                             std::array<SplitQueue, 2> queues)
    : options_(options), ram_(ram), channel_(std::move(socket)), queues_(std::move(queues)) {}

uint64_t VhostFrontend::features() const {
  uint64_t wanted =
      Bit(kVirtioVersion1) | Bit(kVhostUserProtocolFeatures) | options_.extra_features;
  if (options_.virgl) wanted |= Bit(VIRTIO_GPU_F_VIRGL);
  if (options_.edid) wanted |= Bit(VIRTIO_GPU_F_EDID);
  wanted &= offered_;
  // QEMU offers the guest both ring features whatever the backend says (reference, section 2).
  if (options_.event_idx) wanted |= Bit(kRingEventIdx);
  if (options_.indirect) wanted |= Bit(kRingIndirectDesc);
  return wanted;
}

absl::Status VhostFrontend::Realize() {
  RC_ASSIGN_OR_RETURN(offered_, channel_.GetU64(VHOST_USER_GET_FEATURES));
  if ((offered_ & Bit(kVhostUserProtocolFeatures)) == 0) {
    return absl::FailedPreconditionError("the backend offers no protocol features");
  }
  RC_ASSIGN_OR_RETURN(uint64_t protocol, channel_.GetU64(VHOST_USER_GET_PROTOCOL_FEATURES));
  protocol_ = protocol & kQemuProtocolFeatures & ~options_.hidden_protocol_features;
  RC_RETURN_IF_ERROR(channel_.SetU64(VHOST_USER_SET_PROTOCOL_FEATURES, protocol_));
  if (HasProtocolFeature(VHOST_USER_PROTOCOL_F_MQ)) {
    RC_ASSIGN_OR_RETURN(const uint64_t queues, channel_.GetU64(VHOST_USER_GET_QUEUE_NUM));
    if (queues < 2) return absl::FailedPreconditionError("fewer than two queues");
  }
  RC_RETURN_IF_ERROR(channel_.Send(VHOST_USER_SET_OWNER));
  RC_ASSIGN_OR_RETURN(offered_, channel_.GetU64(VHOST_USER_GET_FEATURES));
  RC_RETURN_IF_ERROR(SetCalls());
  for (uint32_t i = 0; i < queues_.size(); ++i) {
    RC_RETURN_IF_ERROR(SetVringFd(VHOST_USER_SET_VRING_ERR, i, queues_[i].error_fd()));
  }
  return absl::OkStatus();
}

absl::Status VhostFrontend::SetCalls() {
  for (uint32_t i = 0; i < queues_.size(); ++i) {
    RC_RETURN_IF_ERROR(SetVringFd(VHOST_USER_SET_VRING_CALL, i, queues_[i].call_fd()));
  }
  return absl::OkStatus();
}

absl::Status VhostFrontend::Start() {
  RC_RETURN_IF_ERROR(SendDisplaySocket());
  RC_RETURN_IF_ERROR(SetCalls());
  RC_RETURN_IF_ERROR(SetFeatures());
  RC_RETURN_IF_ERROR(SendMemoryTable());
  for (uint32_t i = 0; i < queues_.size(); ++i) RC_RETURN_IF_ERROR(StartRing(i));
  for (uint32_t i = 0; i < queues_.size(); ++i) RC_RETURN_IF_ERROR(EnableRing(i, true));
  return SetCalls();
}

absl::Status VhostFrontend::Stop() {
  display_.reset();
  for (uint32_t i = 0; i < queues_.size(); ++i) RC_RETURN_IF_ERROR(EnableRing(i, false));
  for (uint32_t i = 0; i < queues_.size(); ++i) {
    RC_ASSIGN_OR_RETURN(bases_[i], StopRing(i));
  }
  return absl::OkStatus();
}

absl::Status VhostFrontend::ResetDevice() { return channel_.Send(VHOST_USER_RESET_DEVICE); }

void VhostFrontend::ForgetRings() {
  bases_ = {};
  for (SplitQueue& queue : queues_) queue.Reset();
}

absl::Status VhostFrontend::SetFeatures() {
  return channel_.SetU64(VHOST_USER_SET_FEATURES, features());
}

VhostUserMemory VhostFrontend::MemoryTable() const {
  VhostUserMemory table;
  for (const GuestRam::Region& region : ram_->regions()) {
    table.regions[table.nregions++] = {region.guest_addr, region.size(), region.user_addr(), 0};
  }
  return table;
}

absl::Status VhostFrontend::SendMemoryTable() {
  const VhostUserMemory table = MemoryTable();
  const std::span<const std::byte> payload =
      BytesOf(table).first(8 + table.nregions * sizeof(VhostUserMemoryRegion));
  std::vector<int> fds;
  for (const GuestRam::Region& region : ram_->regions()) fds.push_back(region.fd.get());
  if (!HasProtocolFeature(VHOST_USER_PROTOCOL_F_REPLY_ACK)) {
    return channel_.Send(VHOST_USER_SET_MEM_TABLE, payload, fds);
  }
  RC_ASSIGN_OR_RETURN(const uint64_t ack,
                      channel_.CallForAck(VHOST_USER_SET_MEM_TABLE, payload, fds));
  return ack == 0 ? absl::OkStatus() : absl::InternalError("SET_MEM_TABLE was refused");
}

absl::Status VhostFrontend::SendDisplaySocket() {
  RC_ASSIGN_OR_RETURN(std::unique_ptr<DisplayEnd> display, DisplayEnd::Create(options_.display));
  const UniqueFd peer = display->TakePeer();
  const int fds[] = {peer.get()};
  RC_RETURN_IF_ERROR(channel_.Send(VHOST_USER_GPU_SET_SOCKET, {}, fds));
  display_ = std::move(display);
  return absl::OkStatus();
}

absl::Status VhostFrontend::SetVringFd(uint32_t request, uint32_t index, int fd) {
  const int fds[] = {fd};
  return channel_.SetU64(request, index, fds);
}

absl::Status VhostFrontend::SetVringState(uint32_t request, uint32_t index, uint32_t value) {
  const VhostVringState state{index, value};
  return channel_.Send(request, BytesOf(state));
}

absl::Status VhostFrontend::SetVringAddress(uint32_t index) {
  const SplitQueue& queue = queues_[index];
  VhostVringAddr addr{};
  addr.index = index;
  addr.desc_user_addr = ram_->UserAddress(queue.desc_addr());
  addr.used_user_addr = ram_->UserAddress(queue.used_addr());
  addr.avail_user_addr = ram_->UserAddress(queue.avail_addr());
  return channel_.Send(VHOST_USER_SET_VRING_ADDR, BytesOf(addr));
}

absl::Status VhostFrontend::StartRing(uint32_t index) {
  RC_RETURN_IF_ERROR(SetVringState(VHOST_USER_SET_VRING_NUM, index, queues_[index].options().size));
  RC_RETURN_IF_ERROR(SetVringState(VHOST_USER_SET_VRING_BASE, index, bases_[index]));
  RC_RETURN_IF_ERROR(SetVringAddress(index));
  return SetVringFd(VHOST_USER_SET_VRING_KICK, index, queues_[index].kick_fd());
}

absl::Status VhostFrontend::EnableRing(uint32_t index, bool enable) {
  return SetVringState(VHOST_USER_SET_VRING_ENABLE, index, enable ? 1 : 0);
}

absl::StatusOr<uint32_t> VhostFrontend::StopRing(uint32_t index) {
  const VhostVringState state{index, 0};
  RC_ASSIGN_OR_RETURN(const VhostReply reply,
                      channel_.Call(VHOST_USER_GET_VRING_BASE, BytesOf(state)));
  VhostVringState answer{};
  if (reply.payload.size() != sizeof(answer)) {
    return absl::InternalError("GET_VRING_BASE was answered with a wrong size");
  }
  std::memcpy(&answer, reply.payload.data(), sizeof(answer));
  return answer.num;
}

absl::StatusOr<virtio_gpu_config> VhostFrontend::GetConfig() {
  std::array<std::byte, sizeof(VhostUserConfigHeader) + kConfigBytes> payload{};
  const VhostUserConfigHeader header{0, kConfigBytes, 0};
  std::memcpy(payload.data(), &header, sizeof(header));
  RC_ASSIGN_OR_RETURN(const VhostReply reply, channel_.Call(VHOST_USER_GET_CONFIG, payload));
  virtio_gpu_config config{};
  if (reply.payload.size() != payload.size()) {
    return absl::InternalError("GET_CONFIG was answered with a wrong size");
  }
  std::memcpy(&config, reply.payload.data() + sizeof(header), sizeof(config));
  return config;
}

absl::Status VhostFrontend::ClearEvents(uint32_t events) {
  std::array<std::byte, sizeof(VhostUserConfigHeader) + sizeof(uint32_t)> payload{};
  const VhostUserConfigHeader header{offsetof(virtio_gpu_config, events_clear), sizeof(uint32_t),
                                     0};
  std::memcpy(payload.data(), &header, sizeof(header));
  std::memcpy(payload.data() + sizeof(header), &events, sizeof(events));
  return channel_.Send(VHOST_USER_SET_CONFIG, payload);
}

}  // namespace rendercar::frontend
