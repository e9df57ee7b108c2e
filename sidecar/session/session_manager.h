// All sessions of this sidecar: which share each uses, and its backend.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/functional/any_invocable.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/children/process_host.h"
#include "common/event_loop.h"
#include "common/status.h"
#include "sidecar/config/share.h"
#include "sidecar/session/backend_supervisor.h"
#include "sidecar/session/memory_use.h"
#include "sidecar/session/session.h"
#include "sidecar/session/session_report.h"

namespace rendercar::sidecar {

// A share and who uses it.
struct ShareUse {
  Share share;
  std::string session;  // empty: free
};

class SessionManager {
 public:
  struct Config {
    std::string socket_dir;
    std::string vmm_socket_dir;  // the same as the VMM's container sees it
    std::string backend_path;
    std::vector<std::string> backend_flags;  // limits, for every session
    std::string screenshot_dir;  // only for this process and root; empty: neither screenshots nor
                                 // upgrades
    std::string upgrade_dir;     // where a newer backend may lie; empty: nowhere
    BackendSupervisor::Config backend;  // times; argv and socket are filled in for each session
  };
  using CreateCallback = absl::AnyInvocable<void(absl::StatusOr<SessionView>)>;
  using DoneCallback = absl::AnyInvocable<void(absl::Status)>;

  // `loop`, `processes` and `report` outlive this object. Loop thread only, all methods; callbacks
  // run there.
  SessionManager(EventLoop& loop, ProcessHost& processes, Config config, std::vector<Share> shares,
                 SessionReport& report);
  ~SessionManager();

  // Goes on with the sessions that an earlier control process left; what belongs to none of them
  // stays in `recovered`. Once, before anything else.
  void Adopt(Recovered& recovered);
  // Answers when the socket listens, or when that failed and nothing is left of the session.
  void Create(const SessionSpec& spec, CreateCallback done);
  // Answers when a session just like `spec` listens: creates it, waits for it, or replaces one of
  // the same name that is different and has no VMM. More video memory than the share has counts as
  // all that it has.
  void Ensure(SessionSpec spec, CreateCallback done);
  // Answers when the session listens, whatever it is like.
  void Wait(const std::string& name, CreateCallback done);
  absl::StatusOr<SessionView> Get(const std::string& name) const;
  // By name.
  std::vector<SessionView> List() const;
  // Answers when nothing is left. FailedPrecondition while a VMM is connected, unless `force`.
  void Delete(const std::string& name, bool force, DoneCallback done);
  // Has another program take over as the session's backend, with its VM; empty: the one in
  // upgrade_dir, or else the one that is configured. Answers when that is done. NotFound,
  // InvalidArgument, PermissionDenied (a program that will not be started), FailedPrecondition (it
  // refuses, or cannot now), Unavailable (it fails): the backend that ran goes on then.
  void Upgrade(const std::string& name, const std::string& program, CreateCallback done);
  // Ends every session; nothing can be created afterwards.
  void StopAll(DoneCallback done);

  // Its renderer was ended because the container came near its memory limit.
  void NoteMemoryKill(const std::string& name, pid_t renderer, const MemoryUse& use);

  std::vector<ShareUse> Shares() const;

  // While this says why, no session can be created; empty: not drained.
  void SetDrained(const std::string& why);
  const std::string& drained_because() const { return drained_because_; }
  // Something that happened to a session, which may be gone by now.
  void NoteEvent(const std::string& name, const std::string& reason, const std::string& message);
  const Config& config() const { return config_; }

 private:
  class Session;

  absl::StatusOr<Share> FindShare(const SessionSpec& spec) const;
  absl::Status CheckFree(const Share& share, const std::string& socket_path) const;
  void AdoptOne(const std::string& text, std::vector<RecoveredChild>& children);
  absl::Status Add(const SessionSpec& spec, Session** added);
  // A session ended; runs on the loop after the session's own code has returned.
  void Remove(const std::string& name);
  void FinishIfStopped();

  EventLoop& loop_;
  ProcessHost& processes_;
  const Config config_;
  const std::vector<Share> shares_;
  SessionReport& report_;
  std::map<std::string, std::unique_ptr<Session>> sessions_;
  bool stopping_ = false;
  std::string drained_because_;
  DoneCallback on_stopped_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// Whether a VMM is connected to the session, as its statistics page says.
bool FrontendConnected(const SessionView& session);

}  // namespace rendercar::sidecar
