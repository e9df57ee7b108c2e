// One frontend's connection on its way to a successor process, and in it.
// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "backend/server/frontend_session.h"
#include "backend/server/work_call.h"

namespace rendercar::server {
namespace {

// The device bounds its own wait at 100 ms; pixels are copied besides.
constexpr auto kFreezeBound = std::chrono::seconds(2);

absl::Status Busy(const char* what) {
  return absl::UnavailableError(absl::StrCat(what, "; try again"));
}

}  // namespace

absl::Status FrontendSession::Freeze() {
  if (!reader_.idle()) return Busy("the VM is in the middle of a message");
  loop_.Unwatch(socket_.get());
  const auto frozen =
      RunAndWait(work_loop_, kFreezeBound, [work = work_] { return work->worker->Freeze(); });
  if (frozen.has_value() && frozen->ok()) return absl::OkStatus();
  if (frozen.has_value()) {
    Watch();
    return *frozen;
  }
  Thaw();  // behind what is late
  return Busy("the device is busy");
}

void FrontendSession::Thaw() {
  work_loop_.Post([work = work_] {
    if (work->worker != nullptr) work->worker->Thaw();
  });
  Watch();
}

absl::StatusOr<UniqueFd> FrontendSession::Save(ServerState state, wire::LeftFds& fds) {
  FrontendState& own = state.frontend.emplace();
  own.socket = fds.Put(socket_.get());
  own.offered_features = offered_features_;
  own.protocol_features = protocol_features_;
  own.memory_came = memory_came_;
  own.memory_expected = memory_expected_;
  struct Saved {
    absl::StatusOr<UniqueFd> memory;
    wire::LeftFds fds;
  };
  auto saved = RunAndWait(
      work_loop_, kFreezeBound, [work = work_, whole = std::move(state), left = fds]() mutable {
        const gpu::Pictures pictures = work->worker->Save(whole.frontend->worker, left);
        return Saved{Pack(whole, pictures), std::move(left)};
      });
  if (!saved.has_value()) return Busy("the device is busy");
  fds = std::move(saved->fds);
  return std::move(saved->memory);
}

absl::Status FrontendSession::Restore(FrontendState& state, wire::TakenFds& fds,
                                      std::span<const std::byte> pixels, EndHandler on_end) {
  on_end_ = std::move(on_end);
  struct Made {
    absl::Status status;
    uint32_t num_capsets;
  };
  // Waits as long as it takes: the predecessor bounds it, and what is used here is the caller's.
  const auto made =
      RunAndWait(work_loop_, std::chrono::hours(1),
                 [work = work_, &loop = work_loop_, &stats = stats_, factory = factory_, &state,
                  &fds, pixels] {
                   work->worker = std::make_unique<DeviceWorker>(loop, stats, factory);
                   const absl::Status restored = work->worker->Restore(state.worker, fds, pixels);
                   return Made{restored, work->worker->num_capsets()};
                 });
  if (!made.has_value()) return Busy("the device is busy");
  RC_RETURN_IF_ERROR(made->status);
  offered_features_ = state.offered_features;
  num_capsets_ = made->num_capsets;
  protocol_features_ = state.protocol_features;
  memory_came_ = state.memory_came;
  memory_expected_ = state.memory_expected;
  return absl::OkStatus();
}

}  // namespace rendercar::server
