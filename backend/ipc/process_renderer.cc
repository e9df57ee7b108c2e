// The renderer of a session as a process of its own.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/process_renderer.h"

#include <absl/strings/str_join.h>
#include <sys/epoll.h>

#include <csignal>
#include <utility>

#include "backend/ipc/exit_reason.h"
#include "common/log.h"

namespace rendercar::ipc {
namespace {

using Clock = std::chrono::steady_clock;
using Kind = gpu::RendererDeath::Kind;

gpu::RendererDeath Killed(Kind kind, std::string reason) {
  gpu::RendererDeath death;
  death.kind = kind;
  death.reason = std::move(reason);
  return death;
}

const char* Name(Kind kind) {
  switch (kind) {
    case Kind::kExited:
      return "exited";
    case Kind::kSignaled:
      return "signaled";
    case Kind::kHung:
      return "hung";
    case Kind::kProtocol:
      return "protocol";
    case Kind::kStartFailed:
      return "start-failed";
  }
  return "unknown";
}

// Whether a guest's command ended it. SIGKILL comes from outside (an administrator, the supervisor,
// the kernel for want of memory).
bool IsGuestsDoing(const gpu::RendererDeath& death) {
  if (death.guilty_ctx_id == 0) return false;
  return !(death.kind == Kind::kSignaled && death.code == SIGKILL);
}

}  // namespace

class ProcessRenderer::Pixels final : public gpu::SharedPixels {
 public:
  Pixels(std::weak_ptr<ProcessRenderer*> owner, uint32_t id, Mapping mapping)
      : owner_(std::move(owner)), id_(id), mapping_(std::move(mapping)) {}
  ~Pixels() override {
    if (const auto owner = owner_.lock()) (*owner)->DropPixels(id_);
  }
  uint32_t id() const override { return id_; }
  std::span<const std::byte> bytes() const override { return mapping_.bytes(); }

 private:
  std::weak_ptr<ProcessRenderer*> owner_;
  uint32_t id_;
  Mapping mapping_;
};

ProcessRenderer::ProcessRenderer(EventLoop& loop, Options options)
    : loop_(loop), options_(std::move(options)), policy_(options_.restart) {}

ProcessRenderer::~ProcessRenderer() {
  self_.reset();
  if (link_ == nullptr) return;
  loop_.Unwatch(link_->doorbell());
  loop_.Unwatch(link_->pidfd());
}

void ProcessRenderer::Count(StatsValue value) {
  if (options_.stats != nullptr) options_.stats->Count(value);
}

absl::Status ProcessRenderer::Start() {
  if (running()) return absl::OkStatus();
  RC_RETURN_IF_ERROR(policy_.MayStart(Clock::now()));
  auto link = RendererLink::Start(options_.link);
  if (!link.ok()) {
    policy_.OnDeath(Clock::now(), /*blamed=*/false);
    return absl::UnavailableError(
        absl::StrCat("the renderer cannot be started: ", link.status().message()));
  }
  link_ = *std::move(link);
  policy_.OnStart(Clock::now());
  Count(StatsValue::kRendererStarts);
  if (options_.stats != nullptr) options_.stats->Set(StatsValue::kRendererUp, 1);
  log::Info("renderer started", {{"pid", link_->pid()}});
  Watch();
  if (absl::Status sent = SendState(); !sent.ok()) {
    End(Killed(Kind::kStartFailed, std::string(sent.message())));
    PostDispatch();
    return absl::UnavailableError(sent.message());
  }
  return absl::OkStatus();
}

bool ProcessRenderer::busy() {
  if (!running()) return false;
  Collect();
  PostDispatch();
  return running() && !link_->in_flight().idle();
}

void ProcessRenderer::Watch() {
  loop_.Watch(link_->doorbell(), EPOLLIN | EPOLLET, [this](uint32_t) { OnDoorbell(); });
  loop_.Watch(link_->pidfd(), EPOLLIN, [this](uint32_t) { OnExit(); });
}

absl::Status ProcessRenderer::SendState() {
  deferred_.clear();
  if (memory_ != nullptr) RC_RETURN_IF_ERROR(SendTable());
  for (const auto& [id, memory] : pixels_) {
    RC_RETURN_IF_ERROR(SendPixels(link_->control(), id, memory.size_bytes, memory.fd.get()));
    RC_RETURN_IF_ERROR(link_->WriteInternal(RecordType::kUsePixels, id));
  }
  return absl::OkStatus();
}

absl::Status ProcessRenderer::SendTable() {
  RC_RETURN_IF_ERROR(SendMemory(link_->control(), ++generation_, *memory_));
  return link_->WriteInternal(RecordType::kUseMemory, generation_);
}

void ProcessRenderer::SetMemory(std::shared_ptr<const guest::GuestMemory> memory) {
  memory_ = std::move(memory);
  if (!running() || memory_ == nullptr) return;
  const absl::Status sent = SendTable();
  if (sent.ok()) ArmWatchdog();
  if (sent.ok() && AwaitMemory()) return;
  if (!running()) return PostDispatch();  // it died or broke the protocol meanwhile
  End(Killed(Kind::kHung, absl::StrCat("the renderer did not take a new memory table within ",
                                       options_.memory_wait.count(), " ms")),
      Cause::kOurHurry);
  PostDispatch();
}

bool ProcessRenderer::AwaitMemory() {
  link_->Wake();
  const auto deadline = Clock::now() + options_.memory_wait;
  while (link_->memory_in_use() != generation_) {
    if (!link_->WaitUntil(deadline) || !Collect()) return false;
  }
  PostDispatch();
  return true;
}

absl::StatusOr<std::unique_ptr<gpu::SharedPixels>> ProcessRenderer::AllocatePixels(
    size_t size_bytes) {
  PixelMemory memory;
  RC_ASSIGN_OR_RETURN(memory.fd, CreateSealedMemory("rendercar-pixels", size_bytes));
  memory.size_bytes = size_bytes;
  RC_ASSIGN_OR_RETURN(Mapping mapping,
                      Mapping::Map(memory.fd.get(), 0, size_bytes, Mapping::Access::kReadOnly));
  const uint32_t id = next_pixels_id_++;
  if (running()) {
    RC_RETURN_IF_ERROR(SendPixels(link_->control(), id, size_bytes, memory.fd.get()));
    deferred_.emplace_back(RecordType::kUsePixels, id);
    SendDeferred();
  }
  pixels_.emplace(id, std::move(memory));
  return std::make_unique<Pixels>(self_, id, std::move(mapping));
}

void ProcessRenderer::DropPixels(uint32_t id) {
  pixels_.erase(id);
  if (!running()) return;
  deferred_.emplace_back(RecordType::kDropPixels, id);
  SendDeferred();
}

void ProcessRenderer::SendDeferred() {
  while (!deferred_.empty()) {
    const auto& [type, value] = deferred_.front();
    if (!link_->WriteInternal(type, value).ok()) return;
    deferred_.pop_front();
  }
}

absl::Status ProcessRenderer::Submit(const gpu::RenderCommand& command, gpu::Completion completion,
                                     const gpu::Timeline& timeline, uint64_t token) {
  if (!running()) return absl::UnavailableError("no renderer runs");
  SendDeferred();
  absl::Status written = deferred_.empty()
                             ? link_->Write(command, completion, timeline, token)
                             : absl::ResourceExhaustedError("records wait for room in the ring");
  if (written.ok()) {
    ArmWatchdog();
  } else if (absl::IsResourceExhausted(written)) {
    wants_room_ = true;
    link_->Wake();
  } else if (absl::IsDataLoss(written)) {
    EndBroken(written);
    PostDispatch();
    return absl::UnavailableError(written.message());
  }
  return written;
}

void ProcessRenderer::Flush() {
  if (running()) link_->Wake();
}

void ProcessRenderer::OnDoorbell() {
  if (running()) Collect();
  Dispatch();
}

void ProcessRenderer::OnExit() {
  if (running()) End(std::nullopt);
  Dispatch();
}

bool ProcessRenderer::Collect() {
  const absl::Status collected = link_->Collect(events_);
  if (!collected.ok()) {
    EndBroken(collected);
    return false;
  }
  if (!deferred_.empty()) SendDeferred();
  return true;
}

void ProcessRenderer::EndBroken(const absl::Status& status) {
  if (options_.stats != nullptr) options_.stats->CountError(StatsError::kRendererProtocol);
  End(Killed(Kind::kProtocol, std::string(status.message())));
}

void ProcessRenderer::End(std::optional<gpu::RendererDeath> why, Cause cause) {
  const bool was_ready = link_->ready();
  loop_.Unwatch(link_->doorbell());
  loop_.Unwatch(link_->pidfd());
  gpu::RendererDeath death = link_->End(std::move(why), events_);
  link_.reset();
  deferred_.clear();
  if (options_.stats != nullptr) options_.stats->Set(StatsValue::kRendererUp, 0);
  Count(StatsValue::kRendererDeaths);
  if (death.kind == Kind::kHung) Count(StatsValue::kWatchdogKills);
  if (death.kind == Kind::kExited && death.code == kExitForbiddenCall)
    Count(StatsValue::kSandboxKills);
  policy_.OnDeath(Clock::now(), was_ready && cause == Cause::kItself && IsGuestsDoing(death));
  NoteNode(death);
  if (death.kind == Kind::kStartFailed && death.code == kExitCapsetsDiffer)
    policy_.TurnOff(death.reason);
  if (death.code == -1) policy_.TurnOff("a renderer survives being killed");
  Report(death);
  events_.emplace_back(std::move(death));
}

void ProcessRenderer::NoteNode(const gpu::RendererDeath& death) {
  const bool gone = death.kind == Kind::kStartFailed && death.code == kExitNodeGone;
  node_failures_ = gone ? node_failures_ + 1 : 0;
  if (node_failures_ < kNodeFailures) return;
  node_failures_ = 0;
  if (options_.failover.empty()) {
    policy_.TurnOff("the render node is gone, and no other may serve this session");
    return;
  }
  MoveToNextNode();
  policy_.OnNewNode();
  Count(StatsValue::kFailovers);
  log::Warning("3D moves to another render node: this one is gone",
               {{"renderer", absl::StrJoin(options_.link.argv, " ")}});
}

bool ProcessRenderer::MoveToNextNode() {
  if (options_.failover.empty()) return false;
  options_.link.argv = std::move(options_.failover.front());
  options_.failover.erase(options_.failover.begin());
  ++failovers_;
  return true;
}

gpu::RendererHistory ProcessRenderer::history() const {
  gpu::RendererHistory history;
  history.failovers = failovers_;
  policy_.Save(Clock::now(), history);
  return history;
}

void ProcessRenderer::Remember(const gpu::RendererHistory& history) {
  // The nodes that may take over are the same: both processes have the same flags.
  while (failovers_ < history.failovers && MoveToNextNode()) {
  }
  policy_.Restore(Clock::now(), history);
}

void ProcessRenderer::Report(const gpu::RendererDeath& death) {
  log::Warning("renderer died", {{"kind", Name(death.kind)},
                                 {"code", death.code},
                                 {"context", death.guilty_ctx_id},
                                 {"reason", death.reason}});
  if (policy_.off())
    log::Error("3D turned off", {{"reason", std::string(policy_.MayStart({}).message())}});
}

void ProcessRenderer::PostDispatch() {
  if (events_.empty()) return;
  loop_.Post([self = std::weak_ptr(self_)] {
    if (const auto alive = self.lock()) (*alive)->Dispatch();
  });
}

void ProcessRenderer::Dispatch() {
  // The client may call back into this object, also into Reset; so each event leaves the queue
  // before it is told.
  while (!events_.empty()) {
    const LinkEvent event = std::move(events_.front());
    events_.pop_front();
    if (const auto* completed = std::get_if<Completed>(&event)) {
      if (completed->exported != nullptr)
        client_->OnExported(completed->token, completed->exported);
      client_->OnComplete(completed->token, completed->result);
    } else if (const auto* failed = std::get_if<ContextFailed>(&event)) {
      client_->OnContextError(failed->ctx_id);
    } else {
      wants_room_ = false;
      client_->OnRendererDied(std::get<gpu::RendererDeath>(event));
    }
  }
  if (wants_room_ && running() && deferred_.empty() && link_->has_room()) {
    wants_room_ = false;
    client_->OnWritable();
  }
}

void ProcessRenderer::Reset() {
  if (running()) {
    loop_.Unwatch(link_->doorbell());
    loop_.Unwatch(link_->pidfd());
    link_->End(Killed(Kind::kExited, "the device was reset"), events_);
    link_.reset();
    deferred_.clear();
    if (options_.stats != nullptr) options_.stats->Set(StatsValue::kRendererUp, 0);
  }
  policy_.OnReset(Clock::now());
  wants_room_ = false;
  Dispatch();
}

void ProcessRenderer::Quiesce(int timeout_ms) {
  const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
  Flush();
  while (running() && Collect() && link_->in_flight().awaited() > 0) {
    if (link_->WaitUntil(deadline)) continue;
    End(Killed(Kind::kHung,
               absl::StrCat("the renderer did not finish its work within ", timeout_ms, " ms")),
        Cause::kOurHurry);
  }
  Dispatch();
}

void ProcessRenderer::ArmWatchdog() {
  if (watchdog_armed_) return;
  watchdog_armed_ = true;
  watchdog_progress_ = link_->progress();
  watchdog_since_ = Clock::now();
  loop_.PostAfter(options_.watchdog / 4, [self = std::weak_ptr(self_)] {
    if (const auto alive = self.lock()) (*alive)->CheckWatchdog();
  });
}

void ProcessRenderer::CheckWatchdog() {
  watchdog_armed_ = false;
  if (!running()) return;
  const uint64_t before = watchdog_progress_;
  const auto since = watchdog_since_;
  if (Collect() && !link_->in_flight().idle()) {
    ArmWatchdog();
    if (watchdog_progress_ == before) watchdog_since_ = since;
    if (Clock::now() - watchdog_since_ >= options_.watchdog) {
      End(Killed(Kind::kHung, absl::StrCat("the renderer got nothing done for ",
                                           options_.watchdog.count(), " ms")));
    }
  }
  Dispatch();
}

}  // namespace rendercar::ipc
