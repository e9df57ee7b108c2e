// The renderer process's one loop.
// SPDX-License-Identifier: Apache-2.0
#include "backend/render/render_server.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "backend/ipc/export_message.h"
#include "backend/ipc/in_flight.h"
#include "common/log.h"

namespace rendercar::render {
namespace {

using Clock = std::chrono::steady_clock;

// A command that took longer gets a sync of its own; cheaper ones share one.
constexpr std::chrono::microseconds kCheapCommand{20};
// Context errors are told only while this much room is left: completions come first.
constexpr size_t kReservedForCompletions =
    ipc::InFlight::kMaxAwaited * sizeof(ipc::CompletionRecord);

bool Broken(const absl::Status& status) {
  log::Error("device process broke the protocol", {{"reason", std::string(status.message())}});
  return false;
}

}  // namespace

absl::StatusOr<RenderServer::Channels> RenderServer::OpenChannels() {
  RC_ASSIGN_OR_RETURN(ipc::RingMemory commands,
                      ipc::RingMemory::Map(ipc::kCommandRingFd, Mapping::Access::kReadOnly));
  RC_ASSIGN_OR_RETURN(ipc::RingMemory completions,
                      ipc::RingMemory::Map(ipc::kCompletionRingFd, Mapping::Access::kReadWrite));
  ::close(ipc::kCommandRingFd);
  ::close(ipc::kCompletionRingFd);
  return Channels{ipc::RingConsumer(std::move(commands)), ipc::RingProducer(std::move(completions)),
                  UniqueFd(ipc::kDoorbellFd), UniqueFd(ipc::kControlFd)};
}

RenderServer::RenderServer(Channels channels, RenderExecutor& executor, const Options& options)
    : options_(options),
      commands_(std::move(channels.commands)),
      completions_(std::move(channels.completions)),
      doorbell_(std::move(channels.doorbell)),
      inbox_(std::move(channels.control)),
      executor_(executor) {}

ExitCode RenderServer::Run() {
  Complete(ipc::CompletionKind::kReady, ipc::kProtocolMagic, 0);
  for (;;) {
    if (!Drain()) return ExitCode::kProtocol;
    SealFences();
    RetireFences();
    TellContextErrors();
    Ring();
    if (commands_.empty() && !Wait()) return ExitCode::kOk;
  }
}

bool RenderServer::Drain() {
  // A batch is bounded, so that completions are told while the ring stays full.
  for (int i = 0; i < 64; ++i) {
    const auto readable = commands_.Peek();
    if (!readable.has_value()) return Broken(absl::DataLossError("impossible ring index"));
    if (readable->empty()) return true;
    if (!ExecuteOne(*readable)) return false;
    if (commands_.TakeWaiter()) to_tell_ = true;
  }
  return true;
}

bool RenderServer::ExecuteOne(std::span<const std::byte> readable) {
  const auto record = decoder_.Decode(readable);
  if (!record.ok()) return Broken(record.status());
  bool ok = true;
  if (const auto* command = std::get_if<gpu::RenderCommand>(&record->body)) {
    ok = ExecuteCommand(record->header, *command);
  } else if (const auto* memory = std::get_if<ipc::UseMemory>(&record->body)) {
    ok = Use(*memory);
  } else if (const auto* pixels = std::get_if<ipc::UsePixels>(&record->body)) {
    ok = Use(*pixels);
  } else {
    ok = Use(std::get<ipc::DropPixels>(record->body));
  }
  commands_.Consume(record->header.size_bytes);
  return ok;
}

bool RenderServer::ExecuteCommand(const ipc::RecordHeader& header,
                                  const gpu::RenderCommand& command) {
  FenceQueue& fences = executor_.fences();
  const uint32_t ctx_id = RenderExecutor::ContextOf(command);
  // A sync stands only for the GL context that is current; another one's commands come first.
  if (fences.has_open() && ctx_id != fence_ctx_) SealFences();
  auto& executing = commands_.indexes().executing;
  executing.store(header.seq, std::memory_order_relaxed);
  const auto start = Clock::now();
  gpu::RenderResult result = executor_.Execute(command);
  if (std::holds_alternative<gpu::ExportScanout>(command) && result == gpu::RenderResult::kOk &&
      !ipc::SendExport(inbox_.fd(), header.seq, executor_.TakeExported()).ok())
    result = gpu::RenderResult::kRefused;
  executing.store(0, std::memory_order_relaxed);
  const auto completion = static_cast<gpu::Completion>(header.completion);
  if (completion == gpu::Completion::kFenced) {
    fences.Add({header.seq, result});
    fence_ctx_ = ctx_id;
    if (Clock::now() - start > kCheapCommand) SealFences();
  } else if (completion == gpu::Completion::kExecuted) {
    Complete(ipc::CompletionKind::kComplete, header.seq, static_cast<uint32_t>(result));
  }
  return true;
}

bool RenderServer::Use(const ipc::UseMemory& use) {
  if (absl::Status received = inbox_.Receive(); !received.ok()) return Broken(received);
  auto memory = guest::GuestMemory::Map(inbox_.TakeMemory(use.generation), executor_.memory());
  if (!memory.ok()) return Broken(memory.status());
  executor_.SetMemory(*std::move(memory));
  Complete(ipc::CompletionKind::kMemoryInUse, use.generation, 0);
  Ring();
  return true;
}

bool RenderServer::Use(const ipc::UsePixels& use) {
  if (absl::Status received = inbox_.Receive(); !received.ok()) return Broken(received);
  auto pixels = inbox_.TakePixels(use.pixels_id);
  if (!pixels.ok()) return Broken(pixels.status());
  auto mapping = Mapping::Map(pixels->fd.get(), 0, pixels->size_bytes, Mapping::Access::kReadWrite);
  if (!mapping.ok()) return Broken(mapping.status());
  executor_.SetPixels(static_cast<uint32_t>(use.pixels_id), *std::move(mapping));
  return true;
}

bool RenderServer::Use(const ipc::DropPixels& use) {
  executor_.DropPixels(static_cast<uint32_t>(use.pixels_id));
  return true;
}

void RenderServer::SealFences() {
  if (!executor_.fences().has_open()) return;
  executor_.fences().Seal(options_.patience, [this] { return commands_.empty(); });
}

void RenderServer::RetireFences() {
  executor_.fences().Retire([this](const FenceQueue::Fenced& fenced) {
    Complete(ipc::CompletionKind::kComplete, fenced.id, static_cast<uint32_t>(fenced.result));
  });
}

void RenderServer::TellContextErrors() {
  for (const uint32_t ctx_id : executor_.TakeFailedContexts()) {
    if (!completions_.Refresh() || completions_.free_bytes() <= kReservedForCompletions) return;
    Complete(ipc::CompletionKind::kContextError, 0, ctx_id);
  }
}

void RenderServer::Complete(ipc::CompletionKind kind, uint64_t seq, uint32_t value) {
  const ipc::CompletionRecord record{seq, static_cast<uint32_t>(kind), value};
  // The device bounds what it awaits to less than the ring; a full one is its own failing to read.
  while (completions_.free_bytes() < sizeof(record)) {
    if (!completions_.Refresh()) return;
    if (completions_.free_bytes() >= sizeof(record)) break;
    Ring();
    ::usleep(1000);
  }
  std::memcpy(completions_.Reserve(sizeof(record)).data(), &record, sizeof(record));
  completions_.Commit(sizeof(record));
  to_tell_ = true;
}

void RenderServer::Ring() {
  if (!to_tell_) return;
  to_tell_ = false;
  (void)completions_.Refresh();
  if (!completions_.TakeSleeper()) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(doorbell_.get(), &one, sizeof(one));
}

bool RenderServer::SpinForCommand() const {
  const auto until = Clock::now() + options_.spin;
  while (Clock::now() < until) {
    if (!commands_.empty()) return true;
  }
  return false;
}

bool RenderServer::Wait() {
  if (SpinForCommand()) return true;
  if (!commands_.PrepareSleep()) return true;
  const int timeout_ms =
      executor_.fences().empty() || executor_.virgl().fences_are_async() ? -1 : 1;
  std::array<pollfd, 3> fds{{{inbox_.fd(), POLLIN, 0},
                             {executor_.fences().wake_fd(), POLLIN, 0},
                             {executor_.virgl().poll_fd(), POLLIN, 0}}};
  ::poll(fds.data(), fds.size(), timeout_ms);
  commands_.EndSleep();
  if (fds[1].revents != 0) executor_.fences().ClearWake();
  if (fds[2].revents != 0) executor_.virgl().Poll();
  if (fds[0].revents == 0) return true;
  const absl::Status received = inbox_.Receive();
  return received.ok() || Broken(received);
}

}  // namespace rendercar::render
