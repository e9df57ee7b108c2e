// Keeps one backend running: starts it, knows when its socket listens, starts it again when it
// ends, and ends it for good.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/functional/any_invocable.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/children/process_host.h"
#include "common/event_loop.h"
#include "sidecar/session/backend_upgrade.h"

namespace rendercar::sidecar {

// Told on the loop's thread. A method may call Stop, but must not destroy the supervisor.
class BackendListener {
 public:
  virtual ~BackendListener() = default;
  virtual void OnStarted(pid_t pid) = 0;
  // The socket listens.
  virtual void OnReady() = 0;
  // It ended by itself; `was_ready`: after its socket listened. Started again after `restart_in`.
  virtual void OnEnded(const std::string& how, bool was_ready,
                       std::chrono::milliseconds restart_in) = 0;
  // The supervisor kills it for `reason`; OnEnded follows.
  virtual void OnKilled(const std::string& reason) = 0;
  // A newer backend goes on with what this one had; its VM waited for `pause`.
  virtual void OnUpgraded(pid_t pid, std::chrono::microseconds pause) = 0;
  // Stop is done: no process, no socket.
  virtual void OnStopped() = 0;
};

class BackendSupervisor {
 public:
  enum class State { kIdle, kStarting, kReady, kBackingOff, kStopping, kStopped };

  struct Config {
    std::string name;  // of the child, for the next control process
    std::vector<std::string> argv;
    std::string socket_path;
    std::string handover_path;  // where a newer backend asks for the VM; empty: nowhere
    std::chrono::milliseconds start_timeout{20'000};  // to listen, after probing the GPU
    std::chrono::milliseconds stop_grace{2'000};      // from SIGTERM to SIGKILL
    std::chrono::milliseconds first_pause{100};       // after a failure; doubles
    std::chrono::milliseconds longest_pause{10'000};
    std::chrono::milliseconds poll{10};  // how often the socket is looked for
  };

  // `loop`, `processes` and `listener` outlive this object. Loop thread only, all methods.
  BackendSupervisor(EventLoop& loop, ProcessHost& processes, Config config,
                    BackendListener& listener);
  // Kills what still runs.
  ~BackendSupervisor();
  BackendSupervisor(const BackendSupervisor&) = delete;
  BackendSupervisor& operator=(const BackendSupervisor&) = delete;

  // The first start. Fails when the program cannot be executed; later failures are OnEnded.
  absl::Status Start();
  // Instead of Start: goes on with a backend that an earlier control process started. `listened`:
  // its socket did. A null `child`: there was a pause before the next start. `candidate`: one that
  // was about to take over, or has; may be null.
  void Adopt(std::unique_ptr<Child> child, bool listened, uint64_t restarts,
             std::unique_ptr<Child> candidate = nullptr);
  // Has `program` take over from the backend that runs, and run from then on. Answers once:
  // FailedPrecondition when it refuses or nothing can be upgraded now, Unavailable when it fails.
  // The backend that ran goes on then.
  using UpgradeCallback = absl::AnyInvocable<void(absl::StatusOr<std::chrono::microseconds>)>;
  void Upgrade(const std::string& program, UpgradeCallback done);
  // Ends the backend for good; OnStopped follows, also when nothing runs.
  void Stop();

  State state() const { return state_; }
  pid_t pid() const { return running() ? child_->pid() : 0; }
  // Of a newer backend that is about to take over; 0: none.
  pid_t upgrade_pid() const { return upgrade_ != nullptr ? upgrade_->pid() : 0; }
  uint64_t restarts() const { return restarts_; }
  // What the next start runs.
  const std::string& program() const { return argv_.front(); }
  void SetProgram(const std::string& program) { argv_.front() = program; }

 private:
  bool running() const { return child_ && child_->running(); }
  absl::Status Launch();
  void WatchEnd();
  void Restart();
  void Poll();
  void Kill(const std::string& reason);
  void OnExit();
  std::chrono::milliseconds NextPause(bool failed);
  void FinishStop();
  void OnUpgradeTold(absl::StatusOr<std::chrono::microseconds> outcome);
  // The backend that ran has ended while a newer one was there.
  void Replace();
  void FinishUpgrade();
  // Runs `task` after `delay` unless this object went, or another run began, before.
  void After(std::chrono::milliseconds delay, Task task);

  EventLoop& loop_;
  ProcessHost& processes_;
  const Config config_;
  BackendListener& listener_;
  State state_ = State::kIdle;
  std::vector<std::string> argv_;
  std::unique_ptr<Child> child_;
  // While one is under way: a newer backend, what it said, and whether it is the backend already.
  std::unique_ptr<BackendUpgrade> upgrade_;
  uint64_t upgrade_number_ = 0;  // tells what waits for an earlier one that it is over
  std::string upgrade_program_;
  std::optional<absl::StatusOr<std::chrono::microseconds>> upgrade_told_;
  bool replaced_ = false;
  UpgradeCallback upgrade_done_;
  uint64_t run_ = 0;  // counts what makes pending timers stale
  uint64_t restarts_ = 0;
  std::chrono::milliseconds pause_;
  std::chrono::milliseconds waited_{0};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace rendercar::sidecar
