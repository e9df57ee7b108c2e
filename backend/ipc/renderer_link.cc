// One running renderer process, seen from the device.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/renderer_link.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "backend/ipc/exit_reason.h"
#include "backend/ipc/export_message.h"
#include "common/unix_socket.h"

namespace rendercar::ipc {
namespace {

using std::chrono::milliseconds;

absl::Status Broken(const std::string& what) {
  return absl::DataLossError(absl::StrCat("the renderer ", what));
}

uint32_t ContextId(const gpu::RenderCommand& command) {
  return std::visit(
      [](const auto& c) -> uint32_t {
        if constexpr (requires { c.ctx_id; }) return c.ctx_id;
        return 0;
      },
      command);
}

RecordHeader Header(uint64_t seq, gpu::Completion completion, const gpu::Timeline& timeline) {
  RecordHeader header{};
  header.seq = seq;
  header.completion = static_cast<uint8_t>(completion);
  header.has_ring_idx = timeline.has_ring_idx ? 1 : 0;
  header.timeline_ctx_id = timeline.ctx_id;
  header.ring_idx = timeline.ring_idx;
  return header;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RendererLink>> RendererLink::Start(const Options& options) {
  RC_ASSIGN_OR_RETURN(const UniqueFd command_fd,
                      CreateRingMemory("rendercar-commands", options.command_ring_bytes));
  RC_ASSIGN_OR_RETURN(const UniqueFd completion_fd,
                      CreateRingMemory("rendercar-completions", options.completion_ring_bytes));
  RC_ASSIGN_OR_RETURN(RingMemory commands,
                      RingMemory::Map(command_fd.get(), Mapping::Access::kReadWrite));
  RC_ASSIGN_OR_RETURN(RingMemory completions,
                      RingMemory::Map(completion_fd.get(), Mapping::Access::kReadOnly));
  RingConsumer consumer(std::move(completions));
  // From the start on the renderer must ring when it completes something.
  RC_CHECK(consumer.PrepareSleep(), "a fresh completion ring holds nothing");
  std::unique_ptr<RendererLink> link(
      new RendererLink(RingProducer(std::move(commands)), CompletionReader(std::move(consumer))));
  RC_RETURN_IF_ERROR(link->Spawn(options, command_fd.get(), completion_fd.get()));
  RC_RETURN_IF_ERROR(link->WatchForWaiting());
  return link;
}

absl::Status RendererLink::Spawn(const Options& options, int command_ring, int completion_ring) {
  doorbell_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!doorbell_.valid()) return ErrnoStatus(errno, "eventfd");
  RC_ASSIGN_OR_RETURN(SocketPair pair, CreateSocketPair(SOCK_SEQPACKET));
  // Our end only: the flag belongs to the open file, and the renderer has the other one.
  if (::fcntl(pair.a.get(), F_SETFL, O_NONBLOCK) != 0) return ErrnoStatus(errno, "O_NONBLOCK");
  ChildRequest child;
  child.name = "renderer";
  child.argv = options.argv;
  child.fds = {{pair.b.get(), kControlFd},
               {command_ring, kCommandRingFd},
               {completion_ring, kCompletionRingFd},
               {doorbell_.get(), kDoorbellFd}};
  RC_ASSIGN_OR_RETURN(child_, options.processes->Start(child));
  control_ = std::move(pair.a);
  return absl::OkStatus();
}

absl::Status RendererLink::WatchForWaiting() {
  waiting_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  if (!waiting_.valid()) return ErrnoStatus(errno, "epoll_create1");
  epoll_event edge{};
  edge.events = EPOLLIN | EPOLLET;
  epoll_event level{};
  level.events = EPOLLIN;
  if (::epoll_ctl(waiting_.get(), EPOLL_CTL_ADD, doorbell_.get(), &edge) != 0 ||
      ::epoll_ctl(waiting_.get(), EPOLL_CTL_ADD, child_->pidfd(), &level) != 0) {
    return ErrnoStatus(errno, "watching a renderer");
  }
  return absl::OkStatus();
}

absl::Status RendererLink::CheckRoom(size_t size) {
  if (size > commands_.capacity()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a command of ", size, " bytes never fits into a ring of ", commands_.capacity()));
  }
  if (size <= commands_.free_bytes() && !in_flight_.full()) return absl::OkStatus();
  // The announcement first: a renderer that makes room after the look below sees it and rings.
  commands_.indexes().producer_waits.store(1, std::memory_order_seq_cst);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!commands_.Refresh()) return Broken("moved its ring index to where nothing was written");
  in_flight_.Advance(commands_.head());
  if (size <= commands_.free_bytes() && !in_flight_.full()) return absl::OkStatus();
  return absl::ResourceExhaustedError("the renderer has no room for more commands now");
}

absl::Status RendererLink::Write(const gpu::RenderCommand& command, gpu::Completion completion,
                                 const gpu::Timeline& timeline, uint64_t token) {
  const size_t size = RecordSize(command);
  RC_RETURN_IF_ERROR(CheckRoom(size));
  WriteRecord(commands_.Reserve(size), Header(in_flight_.next_seq(), completion, timeline),
              command);
  if (std::holds_alternative<gpu::ExportScanout>(command)) exports_[token] = in_flight_.next_seq();
  in_flight_.Add(token, ContextId(command), completion, commands_.tail() + size);
  commands_.Commit(size);
  return absl::OkStatus();
}

absl::Status RendererLink::WriteInternal(RecordType type, uint64_t value) {
  RC_RETURN_IF_ERROR(CheckRoom(kInternalRecordBytes));
  WriteInternalRecord(commands_.Reserve(kInternalRecordBytes),
                      Header(in_flight_.next_seq(), gpu::Completion::kNone, {}), type, value);
  in_flight_.Add(0, 0, gpu::Completion::kNone, commands_.tail() + kInternalRecordBytes);
  commands_.Commit(kInternalRecordBytes);
  return absl::OkStatus();
}

absl::Status RendererLink::Collect(std::deque<LinkEvent>& events) {
  const size_t before = events.size();
  absl::Status collected = completions_.Collect(commands_, in_flight_, events);
  if (exports_.empty()) return collected;
  const absl::Status taken = TakeExports(events, before);
  return collected.ok() ? taken : collected;
}

absl::Status RendererLink::TakeExports(std::deque<LinkEvent>& events, size_t first) {
  for (size_t i = first; i < events.size(); ++i) {
    auto* completed = std::get_if<Completed>(&events[i]);
    const auto found = completed == nullptr ? exports_.end() : exports_.find(completed->token);
    if (found == exports_.end()) continue;
    const uint64_t seq = found->second;
    exports_.erase(found);
    if (completed->result != gpu::RenderResult::kOk) continue;
    auto exported = ReceiveExport(control_.get(), seq);
    if (!exported.ok()) {
      completed->result = gpu::RenderResult::kRefused;
      return exported.status();
    }
    completed->exported = *std::move(exported);
  }
  return absl::OkStatus();
}

void RendererLink::Wake() {
  // A full socket means that wake-ups are waiting there; a closed one, that the pidfd tells.
  if (commands_.TakeSleeper()) SendWake(control_.get()).IgnoreError();
}

bool RendererLink::has_room() {
  return commands_.Refresh() && !in_flight_.full() &&
         commands_.free_bytes() >= commands_.capacity() / 2;
}

bool RendererLink::WaitUntil(std::chrono::steady_clock::time_point deadline) const {
  const auto left =
      std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now()).count();
  if (left <= 0) return false;
  epoll_event event{};
  ::epoll_wait(waiting_.get(), &event, 1, static_cast<int>(left));
  return true;
}

uint32_t RendererLink::GuiltyContext() const {
  const uint64_t executing = commands_.indexes().executing.load(std::memory_order_relaxed);
  if (executing != 0) return in_flight_.ContextOf(executing);
  return in_flight_.OldestContext();
}

gpu::RendererDeath RendererLink::Describe(const ChildEnd& end) const {
  gpu::RendererDeath death;
  death.code = end.code;
  death.kind = end.kind == ChildEnd::Kind::kSignaled ? gpu::RendererDeath::Kind::kSignaled
                                                     : gpu::RendererDeath::Kind::kExited;
  if (!ready()) death.kind = gpu::RendererDeath::Kind::kStartFailed;
  death.reason =
      ExitReason(end, commands_.indexes().forbidden_call.load(std::memory_order_relaxed));
  return death;
}

gpu::RendererDeath RendererLink::End(std::optional<gpu::RendererDeath> why,
                                     std::deque<LinkEvent>& events) {
  const uint32_t guilty = GuiltyContext();
  if (why.has_value()) child_->Signal(SIGKILL);
  const auto end = child_->Wait(milliseconds(2000));
  // What it still wrote counts, as long as it makes sense.
  Collect(events).IgnoreError();
  for (const uint64_t token : in_flight_.TakeAwaited())
    events.emplace_back(Completed{token, gpu::RenderResult::kRendererDied});
  gpu::RendererDeath death;
  if (why.has_value()) {
    death = *std::move(why);
    death.code = end.has_value() ? end->code : -1;
  } else {
    death = end.has_value() ? Describe(*end) : gpu::RendererDeath{};
  }
  death.guilty_ctx_id = guilty;
  return death;
}

}  // namespace rendercar::ipc
