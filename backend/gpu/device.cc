// The device's frame: features, memory, requests in and errors out.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/device.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>
#include <variant>

namespace rendercar::gpu {
namespace {

// Of QEMU's wait for GET_VRING_BASE (design, 2a).
constexpr std::chrono::milliseconds kQuiesceTimeout{99};
constexpr int kQuiesceTries = 3;

constexpr uint64_t Bit(uint32_t feature) { return uint64_t{1} << feature; }

// virtio 1.2, 5.7.2: cursor commands go to the cursor queue, and nothing else does.
bool IsOnItsQueue(Queue queue, const wire::Request& request) {
  if (std::holds_alternative<wire::Malformed>(request)) return true;
  const bool is_cursor_command = std::holds_alternative<wire::UpdateCursor>(request) ||
                                 std::holds_alternative<wire::MoveCursor>(request);
  return is_cursor_command == (queue == Queue::kCursor);
}

}  // namespace

Device::Device(const Dependencies& dependencies, Options options)
    : loop_(*dependencies.loop),
      port_(*dependencies.port),
      stats_(*dependencies.stats),
      renderer_(*dependencies.renderer),
      options_(std::move(options)),
      requests_(port_, stats_),
      resources_(options_.limits, stats_),
      display_(*dependencies.loop, stats_,
               {.headless = options_.headless,
                .dmabufs = options_.dmabufs,
                .bytes_per_second = options_.limits.display_bytes_per_second}),
      link_(renderer_),
      budget_(options_.limits.renderer_time_percent),
      alive_(std::make_shared<Device*>(this)) {
  renderer_.SetClient(this);
  stats_.Set(StatsValue::kVirglEnabled, num_capsets() > 0 ? 1 : 0);
}

Device::~Device() = default;

uint64_t Device::features() const {
  const uint64_t always =
      Bit(VIRTIO_GPU_F_EDID) | Bit(VIRTIO_GPU_F_RESOURCE_UUID) | Bit(VIRTIO_GPU_F_RESOURCE_BLOB);
  if (num_capsets() == 0) return always;
  return always | Bit(VIRTIO_GPU_F_VIRGL) | Bit(VIRTIO_GPU_F_CONTEXT_INIT);
}

uint32_t Device::num_capsets() const {
  return static_cast<uint32_t>(options_.capabilities.capsets.size());
}

void Device::SetFeatures(uint64_t features) { driver_features_ = features; }

void Device::SetMemory(std::shared_ptr<const guest::GuestMemory> memory) {
  // The old table goes only after nobody points into it.
  const auto old = std::exchange(memory_, std::move(memory));
  resources_.ForEach([this](Resource& resource) {
    if (resource.backing) resource.backing->Resolve(memory_.get());
  });
  renderer_.SetMemory(memory_);
}

void Device::SetDisplaySocket(UniqueFd socket) { display_.SetSocket(std::move(socket)); }

void Device::Handle(Queue queue, guest::DescriptorChain chain) {
  std::array<std::byte, wire::kMaxFixedBytes> prefix;
  const size_t size = guest::CopyFrom(chain, 0, prefix);
  const wire::Decoded decoded =
      wire::DecodeRequest(std::span(prefix).first(size), chain.readable_bytes);
  Call call{queue, std::move(chain), decoded.hdr, {}};
  if (Has(VIRTIO_GPU_F_CONTEXT_INIT) && (call.hdr.flags & VIRTIO_GPU_FLAG_INFO_RING_IDX) != 0) {
    call.timeline = {call.hdr.ctx_id, call.hdr.ring_idx, true};
  }
  requests_.Begin(call);
  if (call.timeline.ring_idx > wire::kMaxRingIdx) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, StatsError::kInvalidParameter,
                "ring_idx is 64 or more");
  }
  if (!IsOnItsQueue(queue, decoded.request)) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_UNSPEC, StatsError::kUnknownCommand,
                "a command of the other queue");
  }
  std::visit([this, &call](const auto& request) { Do(call, request); }, decoded.request);
}

bool Device::accepting() const {
  return !budget_.spent() && !link_.blocked() &&
         requests_.in_flight() < options_.limits.requests_in_flight;
}

void Device::EndBatch() {
  requests_.EndBatch();
  if (!accepting() && !std::exchange(told_not_accepting_, true))
    stats_.Count(StatsValue::kQueueStalls);
  if (std::exchange(rendered_, false)) renderer_.Flush();
  display_.Pump();
  WatchBudget();
}

// Ticks while the renderer works, and afterwards until the guest has rested.
void Device::WatchBudget() {
  if (!budget_.limited() || ticking_ || (budget_.full() && !renderer_.busy())) return;
  ticking_ = true;
  loop_.PostAfter(TimeBudget::kTick, [alive = std::weak_ptr(alive_)] {
    if (const auto device = alive.lock()) (*device)->OnTick();
  });
}

void Device::OnTick() {
  ticking_ = false;
  const bool was_spent = budget_.spent();
  budget_.Tick(renderer_.busy());
  if (budget_.spent() && !was_spent) {
    stats_.Count(StatsValue::kRendererThrottles);
    told_not_accepting_ = true;
  }
  WatchBudget();
  Settle();
}

void Device::Settle() {
  if (quiescing_ || !told_not_accepting_ || !accepting()) return;
  told_not_accepting_ = false;
  port_.OnAccepting();
}

void Device::Quiesce() {
  quiescing_ = true;
  display_.AnswerNow();
  // What is kept goes to the renderer as it makes room; it is killed when it does not in time.
  // The first try may take all the time: killing the renderer costs the guest its GL contexts.
  const auto deadline = std::chrono::steady_clock::now() + kQuiesceTimeout;
  for (int tries = 0; tries < kQuiesceTries && renderer_.running(); ++tries) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    renderer_.Quiesce(std::max(1, static_cast<int>(left.count())));
    if (!link_.blocked()) break;
    OnWritable();
  }
  FailKept();
  requests_.FailAll();
  quiescing_ = false;
}

void Device::Reset() {
  Quiesce();
  stats_.Count(StatsValue::kDeviceResets);
  renderer_.Reset();
  FailKept();
  ForgetReads();
  contexts_.clear();
  attachments_ = 0;
  died_at_.reset();
  stats_.Set(StatsValue::kContexts, 0);
  display_.Reset();
  scanout_resources_ = {};
  resources_.Clear();
  told_not_accepting_ = false;
  display_.Pump();
}

void Device::Ok(Call& call) {
  virtio_gpu_ctrl_hdr response{};
  response.type = VIRTIO_GPU_RESP_OK_NODATA;
  requests_.Answer(call, std::as_writable_bytes(std::span(&response, 1)));
}

void Device::NoteGuestError(const Call& call, StatsError error, const char* why) {
  stats_.CountError(error);
  if (!error_log_.Allow()) return;
  log::Warning("guest request refused", {{"command", ToString(wire::ToStatsCommand(call.hdr.type))},
                                         {"type", fmt::format("{:#x}", call.hdr.type)},
                                         {"reason", why},
                                         {"not_logged", error_log_.TakeSuppressed()}});
}

void Device::Fail(Call& call, uint32_t response, StatsError error, const char* why) {
  NoteGuestError(call, error, why);
  virtio_gpu_ctrl_hdr hdr{};
  hdr.type = response;
  requests_.Answer(call, std::as_writable_bytes(std::span(&hdr, 1)));
}

void Device::FailInvalidResource(Call& call) {
  Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID, StatsError::kInvalidResource,
       "there is no resource of this id");
}

void Device::Do(Call& call, const wire::Malformed& request) {
  switch (request.kind) {
    case wire::Malformed::Kind::kShort:
      return Fail(call, VIRTIO_GPU_RESP_ERR_UNSPEC, StatsError::kShortCommand,
                  "fewer bytes than the command has");
    case wire::Malformed::Kind::kUnknownCommand:
      return Fail(call, VIRTIO_GPU_RESP_ERR_UNSPEC, StatsError::kUnknownCommand,
                  "a command that this device does not know");
    case wire::Malformed::Kind::kBadCount:
      return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, StatsError::kShortCommand,
                  "a count of more bytes than the request has");
  }
}

void Device::Refuse(Call& call) {
  Fail(call, VIRTIO_GPU_RESP_ERR_UNSPEC, StatsError::kUnknownCommand,
       "a command of a feature that was not offered");
}

}  // namespace rendercar::gpu
