// One session inside the manager: its view, its supervisor, and who waits for it.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/session/session_entry.h"

#include <unistd.h>

#include <utility>

#include "common/share_env.h"
#include "sidecar/config/checks.h"

namespace rendercar::sidecar {
namespace {

std::string StatsPath(const SessionSpec& spec, const Share& share) {
  return share.session_dir.empty() ? "" : absl::StrCat(share.session_dir, "/", spec.name, ".stats");
}

// Empty as well where the path would be too long: a session is worth more than its screenshots
// and upgrades.
std::string PrivateSocket(const std::string& directory, const SessionSpec& spec, const char* what) {
  if (directory.empty()) return "";
  const std::string path = absl::StrCat(directory, "/", spec.name, what);
  return CheckSocketPath(path).ok() ? path : "";
}

// The backend's command line.
std::vector<std::string> BackendArgv(const SessionManager::Config& config,
                                     const SessionView& view) {
  std::vector<std::string> argv{config.backend_path,
                                absl::StrCat("--socket-path=", view.socket_path),
                                absl::StrCat("--session=", view.spec.name)};
  if (view.spec.virgl) {
    argv.push_back("--virgl");
    if (view.share.render_node != share_env::kSoftwareNode)
      argv.push_back(absl::StrCat("--render-node=", view.share.render_node));
  }
  if (view.spec.display_mode == DisplayMode::kHeadless) argv.push_back("--headless");
  if (!view.screenshot_path.empty())
    argv.push_back(absl::StrCat("--screenshot-socket=", view.screenshot_path));
  if (!view.handover_path.empty())
    argv.push_back(absl::StrCat("--handover-socket=", view.handover_path));
  if (!view.stats_path.empty()) argv.push_back(absl::StrCat("--stats-path=", view.stats_path));
  if (view.spec.video_memory_bytes != 0)
    argv.push_back(absl::StrCat("--max-video-memory=", view.spec.video_memory_bytes));
  argv.insert(argv.end(), config.backend_flags.begin(), config.backend_flags.end());
  return argv;
}

SessionView NewView(const SessionManager::Config& config, SessionSpec spec, Share share) {
  SessionView view;
  spec.share = share.id;
  if (spec.video_memory_bytes == 0) spec.video_memory_bytes = share.video_memory_bytes;
  const std::string file = absl::StrCat("/", spec.name, ".sock");
  view.socket_path = absl::StrCat(config.socket_dir, file);
  view.vmm_socket_path = absl::StrCat(config.vmm_socket_dir, file);
  view.stats_path = StatsPath(spec, share);
  view.screenshot_path = PrivateSocket(config.screenshot_dir, spec, ".screen.sock");
  view.handover_path = PrivateSocket(config.screenshot_dir, spec, ".handover.sock");
  view.create_time = std::chrono::system_clock::now();
  view.spec = std::move(spec);
  view.share = std::move(share);
  return view;
}

BackendSupervisor::Config SupervisorConfig(const SessionManager::Config& config,
                                           const SessionView& view) {
  BackendSupervisor::Config result = config.backend;
  result.name = SessionKey(view.spec.name);
  result.argv = BackendArgv(config, view);
  result.socket_path = view.socket_path;
  result.handover_path = view.handover_path;
  return result;
}

SessionState ToSessionState(BackendSupervisor::State state) {
  using State = BackendSupervisor::State;
  switch (state) {
    case State::kIdle:
    case State::kStarting:
      return SessionState::kStarting;
    case State::kReady:
      return SessionState::kReady;
    case State::kBackingOff:
      return SessionState::kBackingOff;
    case State::kStopping:
    case State::kStopped:
      return SessionState::kStopping;
  }
  return SessionState::kStopping;
}

}  // namespace

SessionManager::Session::Session(SessionManager& manager, SessionSpec spec, Share share)
    : manager_(manager),
      view_(NewView(manager.config_, std::move(spec), std::move(share))),
      supervisor_(manager.loop_, manager.processes_, SupervisorConfig(manager.config_, view_),
                  *this) {}

SessionManager::Session::~Session() {
  // A backend that was killed has left them.
  if (!view_.stats_path.empty()) ::unlink(view_.stats_path.c_str());
  for (const std::string* path : {&view_.screenshot_path, &view_.handover_path})
    if (!path->empty()) ::unlink(path->c_str());
  manager_.processes_.Remember(SessionKey(view_.spec.name), "");
}

absl::Status SessionManager::Session::Start() {
  Remember();
  return supervisor_.Start();
}

void SessionManager::Session::Adopt(const SessionNote& note, std::unique_ptr<Child> child,
                                    std::unique_ptr<Child> candidate) {
  view_.create_time = note.create_time;
  view_.events = note.events;
  view_.memory_kills = note.memory_kills;
  came_up_ = note.came_up;
  view_.upgrades = note.upgrades;
  view_.failed_upgrades = note.failed_upgrades;
  if (!note.program.empty()) supervisor_.SetProgram(note.program);
  supervisor_.Adopt(std::move(child), note.listened, note.restarts, std::move(candidate));
  AddEvent("ControlProcessRestarted",
           "the sidecar's control process was started again and found this session");
  manager_.report_.SessionRecovered(view_.spec.name, supervisor_.pid());
  if (note.stopping) Stop([](const absl::Status&) {});
}

void SessionManager::Session::Remember() {
  SessionNote note;
  note.spec = view_.spec;
  note.create_time = view_.create_time;
  note.events = view_.events;
  note.came_up = came_up_;
  note.listened = supervisor_.state() == BackendSupervisor::State::kReady;
  note.stopping = supervisor_.state() == BackendSupervisor::State::kStopping;
  note.restarts = supervisor_.restarts();
  note.memory_kills = view_.memory_kills;
  note.upgrades = view_.upgrades;
  note.failed_upgrades = view_.failed_upgrades;
  if (supervisor_.program() != manager_.config_.backend_path) note.program = supervisor_.program();
  manager_.processes_.Remember(SessionKey(view_.spec.name), ToText(note));
}

SessionView SessionManager::Session::View() const {
  SessionView view = view_;
  view.state = ToSessionState(supervisor_.state());
  view.backend_pid = supervisor_.pid();
  view.backend_restarts = supervisor_.restarts();
  view.backend_path = supervisor_.program();
  view.upgrade_pid = supervisor_.upgrade_pid();
  return view;
}

void SessionManager::Session::Stop(DoneCallback done) {
  on_stopped_.push_back(std::move(done));
  supervisor_.Stop();
  Remember();
}

void SessionManager::Session::NoteMemoryKill(pid_t renderer, const MemoryUse& use) {
  ++view_.memory_kills;
  AddEvent("RendererKilledForMemory",
           absl::StrCat("renderer ", renderer, " was ended because the container uses ",
                        use.used_bytes, " of its ", use.limit_bytes, " bytes of memory"));
}

void SessionManager::Session::WaitReady(CreateCallback done) {
  if (supervisor_.state() == BackendSupervisor::State::kReady) {
    done(View());
  } else {
    on_ready_.push_back(std::move(done));
  }
}

void SessionManager::Session::AnswerWaiting(const absl::StatusOr<SessionView>& answer) {
  for (CreateCallback& done : std::exchange(on_ready_, {})) done(answer);
}

void SessionManager::Session::AddEvent(const std::string& reason, const std::string& message) {
  view_.events.push_back({std::chrono::system_clock::now(), reason, message});
  if (view_.events.size() > kMaxSessionEvents) view_.events.pop_front();
  Remember();
}

void SessionManager::Session::OnStarted(pid_t pid) {
  AddEvent("BackendStarted", absl::StrCat("backend started as process ", pid));
  manager_.report_.BackendStarted(view_.spec.name, pid);
}

void SessionManager::Session::OnReady() {
  view_.state_message.clear();
  came_up_ = true;
  AddEvent("BackendReady", absl::StrCat("backend listens on ", view_.socket_path));
  manager_.report_.BackendReady(view_.spec.name, view_.socket_path);
  AnswerWaiting(View());
}

void SessionManager::Session::OnEnded(const std::string& how, bool was_ready,
                                      std::chrono::milliseconds restart_in) {
  const std::string why = killed_because_.empty() ? how : killed_because_;
  killed_because_.clear();
  view_.state_message =
      absl::StrCat("backend ", why, "; started again in ", restart_in.count(), " ms");
  AddEvent("BackendEnded", view_.state_message);
  manager_.report_.BackendEnded(view_.spec.name, how, restart_in);
  if (!was_ready && !came_up_) FailCreation(why);
}

// A session whose first backend does not come up is not kept: whoever creates it learns why.
void SessionManager::Session::FailCreation(const std::string& how) {
  const absl::Status status = absl::UnavailableError(
      absl::StrCat("session '", view_.spec.name, "': backend '", manager_.config_.backend_path,
                   "' ", how, " before it listened on '", view_.socket_path,
                   "'; its own message is in the log of this sidecar"));
  Stop([waiting = std::exchange(on_ready_, {}), status](const absl::Status&) mutable {
    for (CreateCallback& done : waiting) done(status);
  });
}

void SessionManager::Session::Upgrade(const std::string& program, CreateCallback done) {
  AddEvent("UpgradeStarted",
           absl::StrCat("'", program, "' is to take over from process ", supervisor_.pid()));
  supervisor_.Upgrade(program, [this, program, done = std::move(done)](
                                   absl::StatusOr<std::chrono::microseconds> pause) mutable {
    if (pause.ok()) return done(View());
    ++view_.failed_upgrades;
    const std::string why(pause.status().message());
    AddEvent("UpgradeFailed", absl::StrCat("the backend goes on as it was: ", why));
    manager_.report_.UpgradeFailed(view_.spec.name, program, why);
    done(pause.status());
  });
}

void SessionManager::Session::OnUpgraded(pid_t pid, std::chrono::microseconds pause) {
  ++view_.upgrades;
  AddEvent("BackendUpgraded", absl::StrCat("'", supervisor_.program(), "' goes on as process ", pid,
                                           "; the VM waited for ", pause.count() / 1000, ".",
                                           pause.count() / 100 % 10, " ms"));
  manager_.report_.BackendUpgraded(view_.spec.name, pid, supervisor_.program(), pause);
}

void SessionManager::Session::OnKilled(const std::string& reason) {
  killed_because_ = absl::StrCat("was killed because ", reason);
  AddEvent("BackendKilled", absl::StrCat("backend ", killed_because_));
  manager_.report_.BackendKilled(view_.spec.name, reason);
}

void SessionManager::Session::OnStopped() {
  AnswerWaiting(
      absl::CancelledError(absl::StrCat("session '", view_.spec.name, "' was deleted meanwhile")));
  // This object is destroyed by Remove, so only after its supervisor has returned.
  manager_.loop_.Post([&manager = manager_, alive = manager_.alive_, name = view_.spec.name,
                       waiting = std::move(on_stopped_)]() mutable {
    if (!*alive) return;
    manager.Remove(name);
    for (DoneCallback& done : waiting) done(absl::OkStatus());
    manager.FinishIfStopped();
  });
}

}  // namespace rendercar::sidecar
