// The renderer process's one loop: takes records from the command ring, executes them, writes
// completions.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "backend/ipc/control.h"
#include "backend/ipc/records.h"
#include "backend/ipc/ring.h"
#include "backend/render/executor.h"
#include "common/program.h"

namespace rendercar::render {

class RenderServer {
 public:
  struct Options {
    std::chrono::microseconds spin{20};       // for a command, before sleeping
    std::chrono::microseconds patience{200};  // for a fence, before virglrenderer's thread takes it
  };
  struct Channels {
    ipc::RingConsumer commands;
    ipc::RingProducer completions;
    UniqueFd doorbell;
    UniqueFd control;
  };
  // Takes the descriptors that rendercar-renderer was started with (ipc/control.h).
  static absl::StatusOr<Channels> OpenChannels();

  RenderServer(Channels channels, RenderExecutor& executor, const Options& options);

  // Until the device process goes away (kOk) or breaks the protocol.
  ExitCode Run();

 private:
  // Executes what is readable; false: the device process broke the protocol.
  bool Drain();
  bool ExecuteOne(std::span<const std::byte> readable);
  bool ExecuteCommand(const ipc::RecordHeader& header, const gpu::RenderCommand& command);
  bool Use(const ipc::UseMemory& use);
  bool Use(const ipc::UsePixels& use);
  bool Use(const ipc::DropPixels& use);
  void SealFences();
  void RetireFences();
  void TellContextErrors();
  void Complete(ipc::CompletionKind kind, uint64_t seq, uint32_t value);
  // Rings the device's bell if it sleeps and there is something for it.
  void Ring();
  // Sleeps until there is something to do. False: the device process is gone.
  bool Wait();
  bool SpinForCommand() const;

  Options options_;
  ipc::RingConsumer commands_;
  ipc::RingProducer completions_;
  UniqueFd doorbell_;
  ipc::ControlInbox inbox_;
  RenderExecutor& executor_;
  ipc::RecordDecoder decoder_;
  uint32_t fence_ctx_ = 0;  // whose commands the open fences stand behind
  bool to_tell_ = false;
};

}  // namespace rendercar::render
