// What happens to sessions, as log lines.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/session/session_report.h"

#include "common/log.h"

namespace rendercar::sidecar {

void LogSessionReport::SessionCreated(const SessionView& session) {
  log::Info("session created", {{"session", session.spec.name},
                                {"share", session.share.id},
                                {"render_node", session.share.render_node}});
}

void LogSessionReport::RendererKilledForMemory(const std::string& name, pid_t renderer,
                                               const MemoryUse& use) {
  log::Warning("renderer ended: the container is near its memory limit",
               {{"session", name},
                {"pid", renderer},
                {"used_bytes", use.used_bytes},
                {"limit_bytes", use.limit_bytes}});
}

void LogSessionReport::SessionRecovered(const std::string& name, pid_t pid) {
  log::Info("session found again", {{"session", name}, {"backend_pid", pid}});
}

void LogSessionReport::SessionDeleted(const std::string& name) {
  log::Info("session deleted", {{"session", name}});
}

void LogSessionReport::BackendStarted(const std::string& name, pid_t pid) {
  log::Info("backend started", {{"session", name}, {"pid", pid}});
}

void LogSessionReport::BackendReady(const std::string& name, const std::string& socket_path) {
  log::Info("backend listens", {{"session", name}, {"socket", socket_path}});
}

void LogSessionReport::BackendEnded(const std::string& name, const std::string& how,
                                    std::chrono::milliseconds restart_in) {
  log::Warning("backend ended",
               {{"session", name}, {"how", how}, {"restart_in_ms", restart_in.count()}});
}

void LogSessionReport::BackendUpgraded(const std::string& name, pid_t pid,
                                       const std::string& program,
                                       std::chrono::microseconds pause) {
  log::Info("a newer backend goes on with the VM",
            {{"session", name}, {"pid", pid}, {"program", program}, {"pause_us", pause.count()}});
}

void LogSessionReport::UpgradeFailed(const std::string& name, const std::string& program,
                                     const std::string& why) {
  log::Warning("upgrade failed; the backend goes on as it was",
               {{"session", name}, {"program", program}, {"why", why}});
}

void LogSessionReport::BackendKilled(const std::string& name, const std::string& reason) {
  log::Error("backend killed", {{"session", name}, {"reason", reason}});
}

}  // namespace rendercar::sidecar
