// Commands on their way to the renderer.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/render_link.h"

#include <utility>

namespace rendercar::gpu {

absl::Status RenderLink::Send(const RenderCommand& command, Completion completion,
                              const Timeline& timeline, uint64_t token) {
  if (queue_.empty()) {
    absl::Status status = renderer_.Submit(command, completion, timeline, token);
    if (!absl::IsResourceExhausted(status)) return status;
  }
  Keep(command, completion, timeline, token);
  return absl::ResourceExhaustedError("kept until the renderer has room");
}

void RenderLink::Keep(const RenderCommand& command, Completion completion, const Timeline& timeline,
                      uint64_t token) {
  Kept& kept = queue_.emplace_back(Kept{command, completion, timeline, token, 0, {}, {}});
  if (auto* attach = std::get_if<AttachBacking>(&kept.command)) {
    kept.ranges.assign(attach->ranges.begin(), attach->ranges.end());
    attach->ranges = kept.ranges;
  } else if (auto* blob = std::get_if<CreateBlob>(&kept.command)) {
    kept.ranges.assign(blob->ranges.begin(), blob->ranges.end());
    blob->ranges = kept.ranges;
  } else if (auto* submit = std::get_if<Submit3d>(&kept.command)) {
    kept.parts.assign(submit->parts.begin(), submit->parts.end());
    submit->parts = kept.parts;
  }
}

void RenderLink::Drain(absl::FunctionRef<void(uint64_t call, bool taken)> handed_over,
                       absl::FunctionRef<void(uint64_t token)> failed) {
  while (!queue_.empty()) {
    Kept& first = queue_.front();
    const absl::Status status =
        renderer_.Submit(first.command, first.completion, first.timeline, first.token);
    if (absl::IsResourceExhausted(status)) return;
    const uint64_t tell = first.tell, token = first.token;
    const bool waits = first.completion != Completion::kNone;
    queue_.pop_front();
    if (tell != 0) handed_over(tell, status.ok());
    if (!status.ok() && waits) failed(token);
  }
}

void RenderLink::Drop(absl::FunctionRef<void(uint64_t call, bool taken)> handed_over,
                      absl::FunctionRef<void(uint64_t token)> failed) {
  for (Kept& kept : std::exchange(queue_, {})) {
    if (kept.tell != 0) handed_over(kept.tell, false);
    if (kept.completion != Completion::kNone) failed(kept.token);
  }
}

}  // namespace rendercar::gpu
