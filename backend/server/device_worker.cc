// The work thread's half of a session: guest memory, rings and the device.
// SPDX-License-Identifier: Apache-2.0
#include "backend/server/device_worker.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <type_traits>
#include <utility>
#include <vector>

#include "backend/guest/memory_guard.h"
#include "backend/server/memory_advice.h"
#include "common/log.h"

namespace rendercar::server {
namespace {

// How long one batch may keep other work (a GET_VRING_BASE, the display) waiting; looked at after
// every few requests.
constexpr auto kBatchTime = std::chrono::milliseconds(4);
constexpr uint32_t kRequestsBetweenLooks = 8;

// A batch's answers are published in pieces of so many: the driver works on the first while the
// device works on the rest, and is still notified once as long as it keeps looking.
constexpr uint32_t kPublishAtOnce = 16;

log::RateLimit late_limit;
log::RateLimit lost_limit;

// How long after its first kick a driver's first request may take to be seen.
constexpr auto kFirstRequest = std::chrono::seconds(1);

void CpuRelax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

bool IsSocket(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && S_ISSOCK(info.st_mode);
}

}  // namespace

DeviceWorker::DeviceWorker(EventLoop& loop, StatsWriter& stats, const DeviceFactory& factory)
    : loop_(loop), stats_(stats), lost_memory_seen_(guest::LostMemoryEvents()) {
  for (uint32_t i = 0; i < kQueues; ++i)
    rings_[i] = std::make_unique<Vring>(loop, stats, i, [this, i] { OnKick(i); });
  served_ = factory(loop, *this);
}

DeviceWorker::~DeviceWorker() {
  *alive_ = false;
  served_.device.reset();
  served_.renderer.reset();
}

absl::StatusOr<uint32_t> DeviceWorker::Apply(wire::VhostUserMessage message) {
  return std::visit(
      [this](auto& value) -> absl::StatusOr<uint32_t> {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, wire::GetVringBase>) {
          return Do(value);
        } else if constexpr (requires { Do(value); }) {
          RC_RETURN_IF_ERROR(Do(value));
          return 0u;
        } else {
          return 0u;
        }
      },
      message);
}

absl::StatusOr<Vring*> DeviceWorker::Ring(uint32_t index) {
  if (index < kQueues) return rings_[index].get();
  return absl::InvalidArgumentError(
      fmt::format("ring {} of a device that has {} rings", index, kQueues));
}

absl::Status DeviceWorker::Start(Vring& ring) {
  RC_RETURN_IF_ERROR(ring.MaybeStart(memory_, features_));
  // Requests may wait in it since before it was stopped: no kick tells of them.
  if (ring.active()) Schedule();
  return absl::OkStatus();
}

absl::Status DeviceWorker::Do(wire::SetFeatures& message) {
  features_ = message.features;
  served_.device->SetFeatures(features_ & served_.device->features());
  if ((features_ >> wire::VHOST_USER_F_PROTOCOL_FEATURES & 1) != 0) return absl::OkStatus();
  // Without the protocol features there is no SET_VRING_ENABLE.
  for (auto& ring : rings_) {
    ring->SetEnabled(true);
    RC_RETURN_IF_ERROR(Start(*ring));
  }
  return absl::OkStatus();
}

absl::Status DeviceWorker::Do(wire::SetMemTable& message) {
  QuiesceDevice();
  std::vector<guest::RegionDescription> regions;
  for (wire::SetMemTable::Region& region : message.regions) {
    const wire::VhostUserMemoryRegion& from = region.description;
    regions.push_back({from.guest_phys_addr, from.memory_size, from.userspace_addr,
                       from.mmap_offset, std::move(region.fd)});
  }
  RC_ASSIGN_OR_RETURN(auto memory, guest::GuestMemory::Map(std::move(regions), memory_.get()));
  for (auto& ring : rings_) RC_RETURN_IF_ERROR(ring->SetMemory(memory));
  memory_ = std::move(memory);
  served_.device->SetMemory(memory_);
  for (auto& ring : rings_) RC_RETURN_IF_ERROR(Start(*ring));
  return absl::OkStatus();
}

absl::Status DeviceWorker::Do(wire::SetVringNum& message) {
  RC_ASSIGN_OR_RETURN(Vring * ring, Ring(message.index));
  return ring->SetNum(message.num);
}

absl::Status DeviceWorker::Do(wire::SetVringAddr& message) {
  RC_ASSIGN_OR_RETURN(Vring * ring, Ring(message.addr.index));
  if (memory_ != nullptr && memory_->regions().empty())
    return absl::FailedPreconditionError(kMemoryNotShared);
  RC_RETURN_IF_ERROR(ring->SetAddr(message.addr, memory_));
  return Start(*ring);
}

absl::Status DeviceWorker::Do(wire::SetVringBase& message) {
  RC_ASSIGN_OR_RETURN(Vring * ring, Ring(message.index));
  // A frontend that cannot say RESET_DEVICE shows a driver's reset only by this: the ring goes on
  // somewhere else than where it stopped.
  if (ring->stopped_at().has_value() && *ring->stopped_at() != message.base) ResetDriver();
  return ring->SetBase(message.base);
}

absl::StatusOr<uint32_t> DeviceWorker::Do(wire::GetVringBase& message) {
  RC_ASSIGN_OR_RETURN(Vring * ring, Ring(message.index));
  QuiesceDevice();
  return ring->Stop();
}

absl::Status DeviceWorker::Do(wire::SetVringFd& message) {
  RC_ASSIGN_OR_RETURN(Vring * ring, Ring(message.index));
  switch (message.kind) {
    case wire::SetVringFd::Kind::kKick:
      RC_RETURN_IF_ERROR(ring->SetKick(std::move(message.fd)));
      return Start(*ring);
    case wire::SetVringFd::Kind::kCall:
      ring->SetCall(std::move(message.fd));
      return absl::OkStatus();
    case wire::SetVringFd::Kind::kErr:
      ring->SetErr(std::move(message.fd));
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status DeviceWorker::Do(wire::SetVringEnable& message) {
  RC_ASSIGN_OR_RETURN(Vring * ring, Ring(message.index));
  ring->SetEnabled(message.enable);
  return Start(*ring);
}

absl::Status DeviceWorker::Do(wire::GpuSetSocket& message) {
  if (!IsSocket(message.socket.get()))
    return absl::InvalidArgumentError(
        "VHOST_USER_GPU_SET_SOCKET brought a descriptor that is no socket");
  served_.device->SetDisplaySocket(std::move(message.socket));
  return absl::OkStatus();
}

absl::Status DeviceWorker::Do(wire::ResetOwner&) {
  // Deprecated; the specification leaves us ignoring it or disabling the rings.
  for (auto& ring : rings_) ring->SetEnabled(false);
  return absl::OkStatus();
}

absl::Status DeviceWorker::Do(wire::ResetDevice&) {
  for (auto& ring : rings_) ring->SetEnabled(false);
  ResetDriver();
  return absl::OkStatus();
}

void DeviceWorker::ResetDriver() {
  QuiesceDevice();
  served_.device->Reset();
  for (auto& ring : rings_) {
    ring->Stop();
    ring->ForgetStop();
  }
}

void DeviceWorker::QuiesceDevice() {
  served_.device->Quiesce();
  PublishUsed();
}

void DeviceWorker::Complete(gpu::Queue queue, uint16_t head, uint32_t written_bytes) {
  guest::Virtqueue* const to = rings_[static_cast<uint32_t>(queue)]->queue();
  if (to == nullptr || to->in_flight() == 0) {
    if (late_limit.Allow()) log::Error("bug: the device answered a request of a stopped ring");
    return;
  }
  to->Push(head, written_bytes);
  if (batching_) {
    if (++unpublished_ >= kPublishAtOnce) PublishUsed();
    return;
  }
  if (std::exchange(publish_posted_, true)) return;
  // Answers that come together are published together, when the loop has seen them all.
  loop_.Post([this, alive = alive_] {
    if (!*alive) return;
    PublishUsed();
    // The driver that waited for this may have its next request ready soon.
    if (!AnyInFlight()) Process();
  });
}

void DeviceWorker::PublishUsed() {
  publish_posted_ = false;
  unpublished_ = 0;
  for (auto& ring : rings_) ring->PublishUsed();
}

void DeviceWorker::Schedule() {
  if (std::exchange(process_posted_, true)) return;
  loop_.Post([this, alive = alive_] {
    if (!*alive) return;
    process_posted_ = false;
    Process();
  });
}

void DeviceWorker::OnKick(uint32_t index) {
  poll_time_.Learn(Clock::now() - slept_since_);
  Process();
  Vring& ring = *rings_[index];
  if (index != static_cast<uint32_t>(gpu::Queue::kControl) || !ring.active()) return;
  if (private_memory_looked_for_ || !ring.queue()->LooksUntouched()) return;
  private_memory_looked_for_ = true;
  loop_.PostAfter(kFirstRequest, [this, alive = alive_] {
    if (*alive) LookForPrivateMemory();
  });
}

// A memfd with share=off arrives like shared memory, but the VM writes into a copy of its own.
void DeviceWorker::LookForPrivateMemory() {
  const Vring& ring = *rings_[static_cast<uint32_t>(gpu::Queue::kControl)];
  if (!ring.active() || !rings_[0]->queue()->LooksUntouched()) return;
  stats_.CountError(StatsError::kFrontendProtocol);
  log::Error("the driver kicks, but writes nothing that can be seen here",
             {{"why", kMemoryNotShared}});
}

void DeviceWorker::Process() {
  if (frozen_) return;
  if (batching_) return Schedule();
  const auto until = Clock::now() + kBatchTime;
  bool more = true;
  while (more) {
    batching_ = true;
    // The cursor first: it is short, and people see it.
    const bool cursor_left = Drain(gpu::Queue::kCursor, until);
    const bool control_left = Drain(gpu::Queue::kControl, until);
    // Answers that are there reach the driver before the device does what takes longer.
    PublishUsed();
    served_.device->EndBatch();
    batching_ = false;
    PublishUsed();
    more = cursor_left || control_left || AwaitRequests();
    if (more && Clock::now() > until) {
      Schedule();
      break;
    }
  }
  LookForLostMemory();
}

// One processor is left for the VM.
bool DeviceWorker::MayPoll() const {
  return processors_ > (served_.renderer->looks_for_commands() ? 2 : 1);
}

bool DeviceWorker::AnyInFlight() const {
  return std::any_of(rings_.begin(), rings_.end(), [](const auto& ring) {
    return ring->active() && ring->queue()->in_flight() > 0;
  });
}

bool DeviceWorker::Poll() {
  // What is in flight completes on the loop, which must not wait for the end of a look.
  if (poll_time_.get() == PollTime::Nanoseconds(0) || !MayPoll() || AnyInFlight()) return false;
  const auto until = Clock::now() + poll_time_.get();
  do {
    for (auto& ring : rings_)
      if (ring->active() && ring->queue()->HasRequests()) return true;
    CpuRelax();
  } while (Clock::now() < until);
  return false;
}

bool DeviceWorker::AwaitRequests() {
  if (!served_.device->accepting()) return false;  // OnAccepting comes
  if (Poll()) return true;
  bool arrived = false;
  for (auto& ring : rings_)
    if (ring->active()) arrived |= ring->queue()->EnableKicks();
  slept_since_ = Clock::now();
  return arrived;
}

bool DeviceWorker::Drain(gpu::Queue queue, Clock::time_point until) {
  Vring& ring = *rings_[static_cast<uint32_t>(queue)];
  if (!ring.active()) return false;
  ring.queue()->DisableKicks();
  for (uint32_t count = 1; served_.device->accepting(); ++count) {
    auto chain = ring.queue()->Pop();
    if (!chain.ok()) {
      ring.Break(chain.status());
      return false;
    }
    if (!chain->has_value()) return false;
    served_.device->Handle(queue, *std::move(*chain));
    if (count % kRequestsBetweenLooks == 0 && Clock::now() > until) return true;
  }
  return false;
}

void DeviceWorker::LookForLostMemory() {
  const uint64_t events = guest::LostMemoryEvents();
  if (events == lost_memory_seen_) return;
  for (; lost_memory_seen_ != events; ++lost_memory_seen_)
    stats_.CountError(StatsError::kMemoryLost);
  if (lost_limit.Allow()) {
    log::Error(
        "guest memory went away under the device: its file was truncated or the host has no memory "
        "left; zeros stand in its place");
  }
}

}  // namespace rendercar::server
