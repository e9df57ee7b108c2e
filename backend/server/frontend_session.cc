// One frontend's connection, on the protocol thread.
// SPDX-License-Identifier: Apache-2.0
#include "backend/server/frontend_session.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/virtio_config.h>
#include <linux/virtio_gpu.h>
#include <sys/epoll.h>

#include <cstring>
#include <utility>

#include "backend/server/memory_advice.h"
#include "backend/server/work_call.h"
#include "common/log.h"
#include "common/unix_socket.h"

namespace rendercar::server {
namespace {

constexpr uint64_t Bit(uint32_t number) { return uint64_t{1} << number; }

constexpr uint32_t kRingIndirectDesc = 28;  // VIRTIO_RING_F_INDIRECT_DESC
constexpr uint32_t kRingEventIdx = 29;      // VIRTIO_RING_F_EVENT_IDX
constexpr uint32_t kLogAll = 26;            // VHOST_F_LOG_ALL
// Not VHOST_F_LOG_ALL: with it QEMU would migrate the VM and leave it without its GPU's state.
constexpr uint64_t kTransportFeatures = Bit(VIRTIO_F_VERSION_1) | Bit(kRingIndirectDesc) |
                                        Bit(kRingEventIdx) |
                                        Bit(wire::VHOST_USER_F_PROTOCOL_FEATURES);
constexpr uint64_t kProtocolFeatures =
    Bit(wire::VHOST_USER_PROTOCOL_F_MQ) | Bit(wire::VHOST_USER_PROTOCOL_F_REPLY_ACK) |
    Bit(wire::VHOST_USER_PROTOCOL_F_CONFIG) | Bit(wire::VHOST_USER_PROTOCOL_F_RESET_DEVICE);

// What a driver must not take unless it was offered, since the device would have to act on it: its
// own bits, and of the transport's LOG_ALL, ACCESS_PLATFORM, RING_PACKED and IN_ORDER. The others
// QEMU offers to drivers by itself, without asking the backend (RING_RESET, for one).
constexpr uint64_t kBindingFeatures = (Bit(24) - 1) | Bit(kLogAll) | Bit(VIRTIO_F_ACCESS_PLATFORM) |
                                      Bit(VIRTIO_F_RING_PACKED) | Bit(VIRTIO_F_IN_ORDER);

// The device bounds its own waits at 100 ms; a work thread that takes longer than this has hung,
// and QEMU is better off with a dead GPU than with a dead main loop.
constexpr auto kWorkBound = std::chrono::seconds(5);
// From SET_FEATURES to SET_MEM_TABLE, which follows at once.
constexpr auto kMemoryWait = std::chrono::seconds(3);
constexpr auto kStopBound = std::chrono::milliseconds(800);

// A frontend that sends faster than the work thread applies is held back by its own socket, not
// remembered: so many messages at most are on their way to the work thread.
constexpr uint32_t kMaxAppliedLater = 64;
// After so many messages the loop looks at its other work, such as the end of the process.
constexpr int kMessagesAtOnce = 32;

absl::Status Hung() {
  return absl::InternalError(
      "the device has not answered for five seconds; giving the frontend up");
}

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

// Messages whose reply, or whose absence of one, tells the frontend that the device is done with
// its memory or its ring.
bool ImpliesEffect(const wire::VhostUserMessage& message) {
  return std::holds_alternative<wire::SetMemTable>(message) ||
         std::holds_alternative<wire::GetVringBase>(message) ||
         std::holds_alternative<wire::ResetDevice>(message);
}

}  // namespace

std::shared_ptr<FrontendSession> FrontendSession::Create(EventLoop& loop, EventLoop& work_loop,
                                                         StatsWriter& stats, DeviceFactory factory,
                                                         UniqueFd socket) {
  // A frontend that takes no replies must not hold up the thread that ends the process.
  const int flags = ::fcntl(socket.get(), F_GETFL);
  ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK);
  return std::shared_ptr<FrontendSession>(
      new FrontendSession(loop, work_loop, stats, std::move(factory), std::move(socket)));
}

FrontendSession::FrontendSession(EventLoop& loop, EventLoop& work_loop, StatsWriter& stats,
                                 DeviceFactory factory, UniqueFd socket)
    : loop_(loop),
      work_loop_(work_loop),
      stats_(stats),
      factory_(std::move(factory)),
      socket_(std::move(socket)),
      reader_(socket_.get()),
      work_(std::make_shared<Work>()) {}

FrontendSession::~FrontendSession() { Stop(); }

void FrontendSession::Start(EndHandler on_end) {
  on_end_ = std::move(on_end);
  struct Known {
    uint64_t features;
    uint32_t num_capsets;
  };
  const auto known =
      RunAndWait(work_loop_, kWorkBound,
                 [work = work_, &loop = work_loop_, &stats = stats_, factory = factory_] {
                   work->worker = std::make_unique<DeviceWorker>(loop, stats, factory);
                   return Known{work->worker->device_features(), work->worker->num_capsets()};
                 });
  if (!known.has_value()) return End(Hung());
  offered_features_ = kTransportFeatures | known->features;
  num_capsets_ = known->num_capsets;
  Watch();
}

void FrontendSession::Watch() {
  stats_.Set(StatsValue::kFrontendConnected, 1);
  loop_.Watch(socket_.get(), EPOLLIN | EPOLLHUP, [this](uint32_t) { OnReadable(); });
}

void FrontendSession::Stop() {
  if (!socket_.valid()) return;
  on_end_ = nullptr;
  loop_.Unwatch(socket_.get());
  socket_.Reset();
  DropDevice();
}

void FrontendSession::DropDevice() {
  stats_.Set(StatsValue::kFrontendConnected, 0);
  const auto dropped = RunAndWait(work_loop_, kStopBound, [work = work_] {
    work->worker.reset();
    return true;
  });
  if (!dropped.has_value()) log::Error("the device does not stop in time; leaving it behind");
}

void FrontendSession::End(const absl::Status& why) {
  const auto self = shared_from_this();  // on_end may drop the last other reference
  if (!socket_.valid()) return;
  EndHandler on_end = std::move(on_end_);
  Stop();
  if (on_end) on_end(why);
}

void FrontendSession::OnReadable() {
  const auto self = shared_from_this();
  for (int i = 0; i < kMessagesAtOnce && socket_.valid(); ++i) {
    auto message = reader_.Read();
    if (absl::IsAborted(message.status())) return End(absl::OkStatus());
    if (!message.ok()) return End(message.status());
    if (!message->has_value()) return;
    if (absl::Status result = Handle(*std::move(*message)); !result.ok()) return End(result);
  }
}

absl::Status FrontendSession::CheckNegotiation(const wire::VhostUserMessage& message) {
  if (const auto* features = std::get_if<wire::SetFeatures>(&message)) {
    const uint64_t surplus = features->features & ~offered_features_ & kBindingFeatures;
    if (surplus != 0)
      return absl::InvalidArgumentError(
          fmt::format("VHOST_USER_SET_FEATURES takes bits that were not offered: {:#x}", surplus));
    if (!Negotiated(wire::VHOST_USER_PROTOCOL_F_CONFIG))
      return absl::InvalidArgumentError(
          "the frontend lacks the vhost-user protocol feature CONFIG, without which a GPU has no "
          "configuration space; use QEMU 7.2 or later");
  }
  if (const auto* features = std::get_if<wire::SetProtocolFeatures>(&message)) {
    if ((features->features & ~kProtocolFeatures) != 0)
      return absl::InvalidArgumentError(
          fmt::format("VHOST_USER_SET_PROTOCOL_FEATURES takes bits that were not offered: {:#x}",
                      features->features & ~kProtocolFeatures));
  }
  return absl::OkStatus();
}

absl::Status FrontendSession::Handle(wire::ReceivedMessage message) {
  const uint32_t request = message.header.request;
  log::Debug("message", {{"request", wire::VhostUserRequestName(request)}});
  if (absl::Status refused = CheckNegotiation(message.message); !refused.ok())
    return Acknowledge(message, refused);
  if (std::holds_alternative<wire::GetFeatures>(message.message))
    return ReplyU64(request, offered_features_);
  if (std::holds_alternative<wire::GetProtocolFeatures>(message.message))
    return ReplyU64(request, kProtocolFeatures);
  if (std::holds_alternative<wire::GetQueueNum>(message.message)) return ReplyU64(request, kQueues);
  if (const auto* config = std::get_if<wire::GetConfig>(&message.message))
    return ReplyConfig(*config);
  if (const auto* features = std::get_if<wire::SetProtocolFeatures>(&message.message)) {
    protocol_features_ = features->features;
    return Acknowledge(message, absl::OkStatus());
  }
  // Whoever owns the session is connected; of the configuration space only events_clear can be
  // written, and events are the frontend's own.
  if (std::holds_alternative<wire::SetOwner>(message.message) ||
      std::holds_alternative<wire::SetConfig>(message.message))
    return Acknowledge(message, absl::OkStatus());
  if (std::holds_alternative<wire::Unsupported>(message.message)) {
    auto refused = absl::UnimplementedError(fmt::format(
        "{} belongs to a feature that was not offered", wire::VhostUserRequestName(request)));
    // A frontend that asks for the outcome is told and may go on.
    if (!message.needs_reply() || !Negotiated(wire::VHOST_USER_PROTOCOL_F_REPLY_ACK))
      return refused;
    log::Warning("refused a message", {{"why", std::string(refused.message())}});
    return ReplyU64(request, 1);
  }
  return Forward(std::move(message));
}

// QEMU finds out itself that it has no memory to share, and then says nothing more: the guest's
// driver waits for ever, and the reason stands only in QEMU's own log.
void FrontendSession::ExpectMemory() {
  if (memory_came_ || std::exchange(memory_expected_, true)) return;
  loop_.PostAfter(kMemoryWait, [weak = weak_from_this()] {
    const auto session = weak.lock();
    if (session != nullptr && !session->memory_came_)
      session->End(absl::InvalidArgumentError(kMemoryNotShared));
  });
}

absl::Status FrontendSession::Forward(wire::ReceivedMessage message) {
  const uint32_t request = message.header.request;
  if (std::holds_alternative<wire::SetFeatures>(message.message)) ExpectMemory();
  if (std::holds_alternative<wire::SetMemTable>(message.message)) memory_came_ = true;
  const bool acknowledged =
      message.needs_reply() && Negotiated(wire::VHOST_USER_PROTOCOL_F_REPLY_ACK);
  if (const auto* get = std::get_if<wire::GetVringBase>(&message.message)) {
    const uint32_t index = get->index;
    RC_ASSIGN_OR_RETURN(const uint32_t base, ApplyAndWait(std::move(message.message)));
    return Reply(request, BytesOf(wire::vhost_vring_state{index, base}));
  }
  if (!acknowledged && !ImpliesEffect(message.message) && applied_later_ < kMaxAppliedLater) {
    ++applied_later_;
    ApplyLater(std::move(message.message));
    return absl::OkStatus();
  }
  const absl::Status result = ApplyAndWait(std::exchange(message.message, {})).status();
  return Acknowledge(message, result);
}

absl::Status FrontendSession::Acknowledge(const wire::ReceivedMessage& message,
                                          const absl::Status& result) {
  if (message.needs_reply() && Negotiated(wire::VHOST_USER_PROTOCOL_F_REPLY_ACK))
    RC_RETURN_IF_ERROR(ReplyU64(message.header.request, result.ok() ? 0 : 1));
  return result;
}

absl::StatusOr<uint32_t> FrontendSession::ApplyAndWait(wire::VhostUserMessage message) {
  auto result =
      RunAndWait(work_loop_, kWorkBound, [work = work_, message = std::move(message)]() mutable {
        return work->worker->Apply(std::move(message));
      });
  if (!result.has_value()) return Hung();
  applied_later_ = 0;
  return *std::move(result);
}

void FrontendSession::TakeScreenshot(uint32_t head, ScreenshotHandler done) {
  work_loop_.Post([work = work_, head, &loop = loop_, done = std::move(done)]() mutable {
    gpu::Screenshot shot;
    shot.outcome = screenshot::Outcome::kNoVm;
    if (work->worker != nullptr) shot = work->worker->TakeScreenshot(head);
    loop.Post(
        [shot = std::move(shot), done = std::move(done)]() mutable { done(std::move(shot)); });
  });
}

void FrontendSession::ApplyLater(wire::VhostUserMessage message) {
  work_loop_.Post([work = work_, message = std::move(message), &loop = loop_,
                   weak = weak_from_this()]() mutable {
    // A session that failed before this message is already taken down.
    if (work->worker == nullptr) return;
    const absl::Status result = work->worker->Apply(std::move(message)).status();
    if (result.ok()) return;
    loop.Post([weak, result] {
      if (const auto session = weak.lock()) session->End(result);
    });
  });
}

absl::Status FrontendSession::Reply(uint32_t request, std::span<const std::byte> payload) {
  const auto bytes = wire::EncodeVhostUserReply(request, payload);
  // A frontend waits for each reply, so there is room for it.
  const auto sent = SendWithFds(socket_.get(), bytes, {});
  if (sent.ok() && *sent == bytes.size()) return absl::OkStatus();
  return absl::InvalidArgumentError("the frontend does not take its replies");
}

absl::Status FrontendSession::ReplyU64(uint32_t request, uint64_t value) {
  return Reply(request, BytesOf(value));
}

absl::Status FrontendSession::ReplyConfig(const wire::GetConfig& message) {
  virtio_gpu_config config{};
  config.num_scanouts = 1;  // the frontend puts its own number here
  config.num_capsets = num_capsets_;
  std::array<std::byte, wire::VHOST_USER_MAX_CONFIG_SIZE> space{};
  std::memcpy(space.data(), &config, sizeof(config));
  // What a later virtio-gpu adds to the space reads as zeros.
  std::array<std::byte, sizeof(wire::VhostUserConfigHeader) + space.size()> reply{};
  std::memcpy(reply.data(), &message.header, sizeof(message.header));
  std::memcpy(reply.data() + sizeof(message.header), space.data() + message.header.offset,
              message.header.size);
  return Reply(wire::VHOST_USER_GET_CONFIG,
               std::span(reply).first(sizeof(message.header) + message.header.size));
}

}  // namespace rendercar::server
