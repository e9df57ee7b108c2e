// A newer backend that is to take over the VM of the one that runs: its process and what it says.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/functional/any_invocable.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "common/children/process_host.h"
#include "common/event_loop.h"

namespace rendercar::sidecar {

// Loop thread only. Ends the process when it goes before Take.
class BackendUpgrade {
 public:
  // How long the VM waited; FailedPrecondition or Unavailable, in words, when nothing was taken
  // over. Told once, never from inside a call; the handler may destroy this object.
  using Told = absl::AnyInvocable<void(absl::StatusOr<std::chrono::microseconds>)>;

  // Starts `request` with --status-fd added. What says nothing within `bound` is not taken.
  static absl::StatusOr<std::unique_ptr<BackendUpgrade>> Start(EventLoop& loop,
                                                               ProcessHost& processes,
                                                               ChildRequest request,
                                                               std::chrono::milliseconds bound,
                                                               Told told);
  // One that an earlier control process started: only its end is told.
  BackendUpgrade(EventLoop& loop, std::unique_ptr<Child> child, Told told);
  ~BackendUpgrade();
  BackendUpgrade(const BackendUpgrade&) = delete;
  BackendUpgrade& operator=(const BackendUpgrade&) = delete;

  bool running() const { return child_ && child_->running(); }
  pid_t pid() const { return running() ? child_->pid() : 0; }
  // The process, which is the backend now; whether it did take over is told still.
  std::unique_ptr<Child> Take();

 private:
  void OnStatus();
  void OnEnd();
  void Tell(absl::StatusOr<std::chrono::microseconds> outcome);

  EventLoop& loop_;
  std::unique_ptr<Child> child_;
  UniqueFd status_;
  std::string text_;
  Told told_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace rendercar::sidecar
