// One virtqueue as the vhost-user protocol sets it up.
// SPDX-License-Identifier: Apache-2.0
#include "backend/server/vring.h"

#include <fcntl.h>
#include <fmt/format.h>
#define VIRTIO_RING_NO_LEGACY
#include <linux/virtio_ring.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <utility>

#include "common/log.h"

namespace rendercar::server {
namespace {

log::RateLimit broken_limit;

void SetNonBlocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags >= 0) ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

// Adds one to an eventfd, or eight bytes to what stands in for one. Full means that the other side
// has yet to see an earlier one: nothing is lost.
void Signal(const UniqueFd& fd) {
  const uint64_t one = 1;
  if (fd.valid()) [[maybe_unused]]
    const ssize_t written = ::write(fd.get(), &one, sizeof(one));
}

// Whether epoll takes it: a plain file or a directory is refused by the kernel.
bool CanBeWatched(int fd) {
  const UniqueFd probe(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLIN;
  return ::epoll_ctl(probe.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

// Edge-triggered, an eventfd tells of each kick without being read; a pipe would fill up.
bool NeedsRead(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode));
}

// Takes what was written into a pipe; a writer that never stops does not keep us.
void Empty(int fd) {
  constexpr int kReads = 2048;  // of half a kilobyte: as much as the largest pipe holds
  std::array<uint64_t, 64> ignored;
  for (int i = 0; i < kReads; ++i)
    if (::read(fd, ignored.data(), sizeof(ignored)) <= 0) return;
}

bool HasFeature(uint64_t features, uint32_t bit) { return (features >> bit & 1) != 0; }

}  // namespace

Vring::Vring(EventLoop& loop, StatsWriter& stats, uint32_t index, Task on_kick)
    : loop_(loop), stats_(stats), index_(index), on_kick_(std::move(on_kick)) {}

Vring::~Vring() { DropKick(); }

absl::Status Vring::CheckStopped(const char* request) const {
  if (!started()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{} for ring {} while it runs; stop it first", request, index_));
}

absl::Status Vring::SetNum(uint32_t num) {
  RC_RETURN_IF_ERROR(CheckStopped("VHOST_USER_SET_VRING_NUM"));
  if (!std::has_single_bit(num) || num > guest::Virtqueue::kMaxSize)
    return absl::InvalidArgumentError(
        fmt::format("VHOST_USER_SET_VRING_NUM: {} is no power of two up to {}", num,
                    guest::Virtqueue::kMaxSize));
  config_.size = num;
  return absl::OkStatus();
}

absl::Status Vring::SetBase(uint16_t base) {
  RC_RETURN_IF_ERROR(CheckStopped("VHOST_USER_SET_VRING_BASE"));
  config_.last_avail_index = base;
  return absl::OkStatus();
}

absl::Status Vring::SetAddr(const wire::vhost_vring_addr& addr,
                            const std::shared_ptr<const guest::GuestMemory>& memory) {
  guest::Virtqueue::Config config = config_;
  config.desc_user_addr = addr.desc_user_addr;
  config.avail_user_addr = addr.avail_user_addr;
  config.used_user_addr = addr.used_user_addr;
  const bool same = has_addr_ && config.desc_user_addr == config_.desc_user_addr &&
                    config.avail_user_addr == config_.avail_user_addr &&
                    config.used_user_addr == config_.used_user_addr;
  // A frontend that starts or stops logging sends the same addresses with other flags.
  if (same) return absl::OkStatus();
  RC_RETURN_IF_ERROR(CheckStopped("VHOST_USER_SET_VRING_ADDR"));
  // Tried now, so that the frontend learns with this message that its memory cannot be reached.
  if (memory != nullptr && config.size != 0)
    RC_RETURN_IF_ERROR(guest::Virtqueue::Create(config, memory).status());
  config_ = config;
  has_addr_ = true;
  return absl::OkStatus();
}

absl::Status Vring::SetKick(UniqueFd fd) {
  if (!fd.valid())
    return absl::InvalidArgumentError(
        fmt::format("ring {} comes without a kick descriptor; polling is not supported", index_));
  if (!CanBeWatched(fd.get()))
    return absl::InvalidArgumentError(fmt::format(
        "ring {} has a kick descriptor that cannot be watched; an eventfd is needed", index_));
  DropKick();
  kick_ = std::move(fd);
  kick_needs_read_ = NeedsRead(kick_.get());
  if (kick_needs_read_) SetNonBlocking(kick_.get());
  if (started()) WatchKick();
  return absl::OkStatus();
}

void Vring::SetCall(UniqueFd fd) {
  call_ = std::move(fd);
  // A full pipe must not block the work thread.
  if (call_.valid()) SetNonBlocking(call_.get());
}

absl::Status Vring::MaybeStart(const std::shared_ptr<const guest::GuestMemory>& memory,
                               uint64_t features) {
  if (started() || !kick_.valid() || !has_addr_ || !enabled_ || memory == nullptr)
    return absl::OkStatus();
  config_.event_idx = HasFeature(features, VIRTIO_RING_F_EVENT_IDX);
  config_.indirect_desc = HasFeature(features, VIRTIO_RING_F_INDIRECT_DESC);
  RC_ASSIGN_OR_RETURN(queue_, guest::Virtqueue::Create(config_, memory));
  broken_ = false;
  stopped_at_.reset();
  WatchKick();
  return absl::OkStatus();
}

absl::Status Vring::SetMemory(const std::shared_ptr<const guest::GuestMemory>& memory) {
  if (!started()) return absl::OkStatus();
  guest::Virtqueue::Config config = config_;
  config.last_avail_index = queue_->last_avail_index();
  RC_ASSIGN_OR_RETURN(queue_, guest::Virtqueue::Create(config, memory));
  return absl::OkStatus();
}

uint16_t Vring::Stop() {
  if (started()) {
    PublishUsed();
    config_.last_avail_index = queue_->last_avail_index();
  }
  queue_.reset();
  DropKick();
  broken_ = false;
  stopped_at_ = config_.last_avail_index;
  return config_.last_avail_index;
}

void Vring::Freeze() {
  frozen_ = true;
  if (kick_.valid() && started()) loop_.Unwatch(kick_.get());
}

void Vring::Thaw() {
  frozen_ = false;
  if (kick_.valid() && started()) WatchKick();
}

RingState Vring::Save(wire::LeftFds& fds) const {
  RingState state;
  state.config = config_;
  if (queue_) state.config.last_avail_index = queue_->last_avail_index();
  state.has_addr = has_addr_;
  state.enabled = enabled_;
  state.broken = broken_;
  state.started = started();
  state.stopped_at = stopped_at_;
  state.kick = fds.Put(kick_.get());
  state.call = fds.Put(call_.get());
  state.err = fds.Put(err_.get());
  return state;
}

absl::Status Vring::Restore(const RingState& state, wire::TakenFds& fds,
                            const std::shared_ptr<const guest::GuestMemory>& memory) {
  frozen_ = true;
  if (state.config.size != 0) RC_RETURN_IF_ERROR(SetNum(state.config.size));
  config_ = state.config;
  has_addr_ = state.has_addr;
  enabled_ = state.enabled;
  broken_ = state.broken;
  stopped_at_ = state.stopped_at;
  if (state.kick != wire::kNoFd) RC_RETURN_IF_ERROR(SetKick(fds.Take(state.kick)));
  SetCall(fds.Take(state.call));
  SetErr(fds.Take(state.err));
  if (!state.started) return absl::OkStatus();
  if (!kick_.valid() || !has_addr_ || memory == nullptr)
    return absl::InvalidArgumentError("a ring runs without its kick, addresses or memory");
  RC_ASSIGN_OR_RETURN(queue_, guest::Virtqueue::Create(config_, memory));
  return absl::OkStatus();
}

void Vring::Break(const absl::Status& why) {
  broken_ = true;
  stats_.CountError(StatsError::kBadDescriptor);
  if (broken_limit.Allow()) {
    log::Warning("the guest made a malformed ring; it is stopped until the driver is reset",
                 {{"ring", index_}, {"why", std::string(why.message())}});
  }
  Signal(err_);
}

void Vring::PublishUsed() {
  if (!started() || !queue_->PublishUsed()) return;
  stats_.Count(StatsValue::kQueueNotifications);
  Signal(call_);
}

void Vring::WatchKick() {
  if (frozen_) return;
  loop_.Watch(kick_.get(), EPOLLIN | EPOLLET, [this](uint32_t) {
    if (kick_needs_read_) Empty(kick_.get());
    on_kick_();
  });
}

void Vring::DropKick() {
  if (!kick_.valid()) return;
  // What comes meanwhile is the other process's.
  if (frozen_) return kick_.Reset();
  loop_.Unwatch(kick_.get());
  // The frontend may use the same eventfd again: it finds it as a read one would be.
  SetNonBlocking(kick_.get());
  uint64_t ignored = 0;
  [[maybe_unused]] const ssize_t got = ::read(kick_.get(), &ignored, sizeof(ignored));
  kick_.Reset();
}

}  // namespace rendercar::server
