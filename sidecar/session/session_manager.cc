// All sessions of this sidecar: which share each uses, and its backend.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/session/session_manager.h"

#include <absl/strings/str_join.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "common/stats_page.h"
#include "sidecar/config/checks.h"
#include "sidecar/session/session_entry.h"
#include "sidecar/session/socket_probe.h"

namespace rendercar::sidecar {
namespace {

constexpr char kDrainedKey[] = "drained";  // of the note for the next control process

absl::Status NoSuchSession(const std::string& name) {
  return absl::NotFoundError(absl::StrCat("session '", name, "' does not exist; list them with ",
                                          "'rendercarctl sessions list'"));
}

absl::Status CheckVideoMemory(const SessionSpec& spec, const Share& share) {
  if (share.video_memory_bytes == 0 || spec.video_memory_bytes <= share.video_memory_bytes)
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("video_memory_limit_bytes is ", spec.video_memory_bytes, ", share '", share.id,
                   "' has ", share.video_memory_bytes, "; ask for that or less"));
}

// Whether `is` (defaults filled in) is what `wanted` asks for.
bool Matches(const SessionSpec& is, const SessionSpec& wanted, const Share& share) {
  const uint64_t memory =
      wanted.video_memory_bytes == 0 ? share.video_memory_bytes : wanted.video_memory_bytes;
  return is.virgl == wanted.virgl && is.display_mode == wanted.display_mode &&
         is.heads == wanted.heads && is.width_px == wanted.width_px &&
         is.height_px == wanted.height_px && is.video_memory_bytes == memory &&
         (wanted.share.empty() || is.share == wanted.share);
}

}  // namespace

DeviceDescription Describe(const SessionView& session) {
  DeviceDescription description;
  description.name = session.spec.name;
  description.socket_path = session.vmm_socket_path;
  description.display_mode = session.spec.display_mode;
  description.heads = session.spec.heads;
  description.width_px = session.spec.width_px;
  description.height_px = session.spec.height_px;
  description.virgl = session.spec.virgl;
  description.render_node = session.share.render_node;
  return description;
}

bool FrontendConnected(const SessionView& session) {
  if (session.stats_path.empty() || session.backend_pid == 0) return false;
  const auto stats = ReadStats(session.stats_path);
  return stats.ok() && (*stats)[StatsValue::kFrontendConnected] != 0;
}

SessionManager::SessionManager(EventLoop& loop, ProcessHost& processes, Config config,
                               std::vector<Share> shares, SessionReport& report)
    : loop_(loop),
      processes_(processes),
      config_(std::move(config)),
      shares_(std::move(shares)),
      report_(report) {}

SessionManager::~SessionManager() { *alive_ = false; }

void SessionManager::SetDrained(const std::string& why) {
  drained_because_ = why;
  processes_.Remember(kDrainedKey, why);
}

void SessionManager::Adopt(Recovered& recovered) {
  if (const auto drained = recovered.notes.find(kDrainedKey); drained != recovered.notes.end())
    drained_because_ = drained->second;
  for (const auto& [key, text] : recovered.notes) {
    if (IsSessionKey(key)) AdoptOne(text, recovered.children);
  }
  // A backend without a session is nobody's; it ends here.
  std::erase_if(recovered.children,
                [](const RecoveredChild& child) { return IsSessionKey(child.name); });
}

void SessionManager::AdoptOne(const std::string& text, std::vector<RecoveredChild>& children) {
  const absl::StatusOr<SessionNote> note = SessionNoteFrom(text);
  if (!note.ok()) return;
  const auto share = std::find_if(shares_.begin(), shares_.end(),
                                  [&](const Share& s) { return s.id == note->spec.share; });
  if (share == shares_.end()) return;
  // The older one first; a second one was about to take over.
  std::unique_ptr<Child> backend, candidate;
  for (RecoveredChild& child : children) {
    if (child.name == SessionKey(note->spec.name))
      (backend ? candidate : backend) = std::move(child.child);
  }
  auto session = std::make_unique<Session>(*this, note->spec, *share);
  Session& adopted = *session;
  sessions_[note->spec.name] = std::move(session);
  adopted.Adopt(*note, std::move(backend), std::move(candidate));
}

void SessionManager::Wait(const std::string& name, CreateCallback done) {
  const auto found = sessions_.find(name);
  if (found == sessions_.end()) {
    done(NoSuchSession(name));
  } else {
    found->second->WaitReady(std::move(done));
  }
}

absl::StatusOr<Share> SessionManager::FindShare(const SessionSpec& spec) const {
  std::vector<std::string> ids;
  for (const ShareUse& use : Shares()) {
    const bool wanted = spec.share.empty() || spec.share == use.share.id;
    if (wanted && use.session.empty()) return use.share;
    if (wanted && !spec.share.empty()) {
      return absl::ResourceExhaustedError(absl::StrCat("share '", spec.share,
                                                       "' is used by session '", use.session,
                                                       "'; delete that session first"));
    }
    ids.push_back(use.share.id);
  }
  const std::string all = absl::StrJoin(ids, ", ");
  if (spec.share.empty()) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "every share (", all, ") is used by a session; delete one, or request more shares"));
  }
  return absl::NotFoundError(
      absl::StrCat("share '", spec.share, "' does not exist here; this sidecar has ", all));
}

absl::Status SessionManager::CheckFree(const Share& share, const std::string& socket_path) const {
  RC_RETURN_IF_ERROR(CheckSocketPath(socket_path));
  RC_RETURN_IF_ERROR(CheckRenderNode(share.render_node));
  if (!IsListening(socket_path)) return absl::OkStatus();
  return absl::AlreadyExistsError(
      absl::StrCat("another process listens on '", socket_path,
                   "'; stop it, or choose another session name or --socket-dir"));
}

absl::Status SessionManager::Add(const SessionSpec& spec, Session** added) {
  RC_RETURN_IF_ERROR(ValidateName(spec.name));
  if (stopping_) return absl::UnavailableError("the sidecar shuts down");
  if (!drained_because_.empty()) {
    return absl::FailedPreconditionError(absl::StrCat("this sidecar takes no new session (",
                                                      drained_because_,
                                                      "); 'rendercarctl drain --end' ends that"));
  }
  if (sessions_.count(spec.name) != 0) {
    return absl::AlreadyExistsError(
        absl::StrCat("session '", spec.name, "' exists; delete it or choose another name"));
  }
  RC_ASSIGN_OR_RETURN(const Share share, FindShare(spec));
  RC_RETURN_IF_ERROR(CheckVideoMemory(spec, share));
  auto session = std::make_unique<Session>(*this, spec, share);
  const SessionView view = session->View();
  RC_RETURN_IF_ERROR(Validate(Describe(view)));
  RC_RETURN_IF_ERROR(CheckSocketPath(view.vmm_socket_path));
  RC_RETURN_IF_ERROR(CheckFree(share, view.socket_path));
  RC_RETURN_IF_ERROR(session->Start());
  report_.SessionCreated(view);
  *added = session.get();
  sessions_[spec.name] = std::move(session);
  return absl::OkStatus();
}

void SessionManager::Create(const SessionSpec& spec, CreateCallback done) {
  Session* session = nullptr;
  if (const absl::Status status = Add(spec, &session); !status.ok()) {
    done(status);
    return;
  }
  session->WaitReady(std::move(done));
}

void SessionManager::Ensure(SessionSpec spec, CreateCallback done) {
  const auto found = sessions_.find(spec.name);
  const absl::StatusOr<Share> share =
      found == sessions_.end() ? FindShare(spec) : found->second->share();
  if (share.ok() && share->video_memory_bytes != 0)
    spec.video_memory_bytes = std::min(spec.video_memory_bytes, share->video_memory_bytes);
  if (found == sessions_.end()) {
    Create(spec, std::move(done));
    return;
  }
  const SessionView view = found->second->View();
  if (view.state != SessionState::kStopping && Matches(view.spec, spec, view.share)) {
    found->second->WaitReady(std::move(done));
    return;
  }
  Delete(spec.name, /*force=*/false,
         [this, spec, done = std::move(done)](const absl::Status& status) mutable {
           if (status.ok()) {
             Create(spec, std::move(done));
           } else {
             done(status);
           }
         });
}

absl::StatusOr<SessionView> SessionManager::Get(const std::string& name) const {
  const auto found = sessions_.find(name);
  if (found == sessions_.end()) return NoSuchSession(name);
  return found->second->View();
}

std::vector<SessionView> SessionManager::List() const {
  std::vector<SessionView> views;
  for (const auto& [name, session] : sessions_) views.push_back(session->View());
  return views;
}

void SessionManager::Delete(const std::string& name, bool force, DoneCallback done) {
  const auto found = sessions_.find(name);
  if (found == sessions_.end()) {
    done(NoSuchSession(name));
  } else if (!force && FrontendConnected(found->second->View())) {
    done(absl::FailedPreconditionError(
        absl::StrCat("a VM is connected to session '", name,
                     "' and would lose its GPU for good; stop the VM first, or use force")));
  } else {
    found->second->Stop(std::move(done));
  }
}

void SessionManager::Upgrade(const std::string& name, const std::string& program,
                             CreateCallback done) {
  const auto found = sessions_.find(name);
  if (found == sessions_.end()) return done(NoSuchSession(name));
  const std::string newer = absl::StrCat(config_.upgrade_dir, "/rendercar-backend");
  const bool lies_there = !config_.upgrade_dir.empty() && ::access(newer.c_str(), F_OK) == 0;
  const std::string chosen =
      !program.empty() ? program : (lies_there ? newer : config_.backend_path);
  if (const absl::Status may = CheckUpgradeProgram(chosen); !may.ok()) return done(may);
  found->second->Upgrade(chosen, std::move(done));
}

void SessionManager::StopAll(DoneCallback done) {
  stopping_ = true;
  on_stopped_ = std::move(done);
  for (auto& [name, session] : sessions_) session->Stop([](const absl::Status&) {});
  FinishIfStopped();
}

void SessionManager::FinishIfStopped() {
  if (stopping_ && sessions_.empty() && on_stopped_)
    std::exchange(on_stopped_, nullptr)(absl::OkStatus());
}

void SessionManager::Remove(const std::string& name) {
  sessions_.erase(name);
  report_.SessionDeleted(name);
}

void SessionManager::NoteEvent(const std::string& name, const std::string& reason,
                               const std::string& message) {
  const auto found = sessions_.find(name);
  if (found != sessions_.end()) found->second->AddEvent(reason, message);
}

void SessionManager::NoteMemoryKill(const std::string& name, pid_t renderer, const MemoryUse& use) {
  const auto found = sessions_.find(name);
  if (found == sessions_.end()) return;
  found->second->NoteMemoryKill(renderer, use);
}

std::vector<ShareUse> SessionManager::Shares() const {
  std::vector<ShareUse> uses;
  for (const Share& share : shares_) {
    ShareUse use{share, ""};
    for (const auto& [name, session] : sessions_) {
      if (session->share().id == share.id) use.session = name;
    }
    uses.push_back(use);
  }
  return uses;
}

}  // namespace rendercar::sidecar
