// Commands on their way to the renderer: kept, in order, while it has no room.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/functional/function_ref.h>

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "backend/gpu/renderer.h"

namespace rendercar::gpu {

// Work thread only.
class RenderLink {
 public:
  explicit RenderLink(Renderer& renderer) : renderer_(renderer) {}

  // OK: handed over. ResourceExhausted: kept, and handed over by a later Drain; guest bytes that it
  // refers to must stay until then. Anything else: not taken, the renderer said why.
  absl::Status Send(const RenderCommand& command, Completion completion, const Timeline& timeline,
                    uint64_t token);
  // Of the command that the last Send kept: `call` is told to Drain's `handed_over`.
  void TellWhenHandedOver(uint64_t call) { queue_.back().tell = call; }

  // While commands are kept, no more should be sent than what belongs to the same request.
  bool blocked() const { return !queue_.empty(); }
  // Hands over what there is room for.
  void Drain(absl::FunctionRef<void(uint64_t call, bool taken)> handed_over,
             absl::FunctionRef<void(uint64_t token)> failed);
  // Gives up what is kept.
  void Drop(absl::FunctionRef<void(uint64_t call, bool taken)> handed_over,
            absl::FunctionRef<void(uint64_t token)> failed);

 private:
  // A command with its own copies of what Send's argument only pointed to.
  struct Kept {
    RenderCommand command;
    Completion completion;
    Timeline timeline;
    uint64_t token;
    uint64_t tell = 0;
    std::vector<GuestRange> ranges;
    std::vector<std::span<const std::byte>> parts;
  };
  void Keep(const RenderCommand& command, Completion completion, const Timeline& timeline,
            uint64_t token);

  Renderer& renderer_;
  std::deque<Kept> queue_;
};

}  // namespace rendercar::gpu
