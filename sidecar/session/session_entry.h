// One session inside the manager: its view, its supervisor, and who waits for it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "sidecar/session/session_manager.h"
#include "sidecar/session/session_note.h"

namespace rendercar::sidecar {

class SessionManager::Session final : public BackendListener {
 public:
  Session(SessionManager& manager, SessionSpec spec, Share share);
  ~Session() override;

  absl::Status Start();
  // Instead of Start: goes on where an earlier control process was. A null `child`: no backend ran.
  // `candidate`: a newer backend that was about to take over.
  void Adopt(const SessionNote& note, std::unique_ptr<Child> child,
             std::unique_ptr<Child> candidate);
  // Answers when the socket listens. The first start's failure ends the session; later ones only
  // keep the caller waiting.
  void WaitReady(CreateCallback done);
  void Stop(DoneCallback done);
  void Upgrade(const std::string& program, CreateCallback done);
  void NoteMemoryKill(pid_t renderer, const MemoryUse& use);
  SessionView View() const;
  const Share& share() const { return view_.share; }
  void AddEvent(const std::string& reason, const std::string& message);

 private:
  void OnStarted(pid_t pid) override;
  void OnReady() override;
  void OnEnded(const std::string& how, bool was_ready,
               std::chrono::milliseconds restart_in) override;
  void OnKilled(const std::string& reason) override;
  void OnUpgraded(pid_t pid, std::chrono::microseconds pause) override;
  void OnStopped() override;

  // Tells the process host what the next control process must know.
  void Remember();
  void FailCreation(const std::string& how);
  void AnswerWaiting(const absl::StatusOr<SessionView>& answer);

  SessionManager& manager_;
  SessionView view_;  // the fixed part, and the events
  BackendSupervisor supervisor_;
  std::vector<CreateCallback> on_ready_;
  bool came_up_ = false;  // the first backend did
  std::string killed_because_;
  std::vector<DoneCallback> on_stopped_;
};

}  // namespace rendercar::sidecar
