// What happens to sessions, one method an event; the report decides whether that is a log line.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include "sidecar/session/memory_use.h"
#include "sidecar/session/session.h"

namespace rendercar::sidecar {

class SessionReport {
 public:
  virtual ~SessionReport() = default;
  virtual void SessionCreated(const SessionView& session) = 0;
  // An earlier control process had made it; `pid` 0: its backend does not run.
  virtual void SessionRecovered(const std::string& name, pid_t pid) = 0;
  virtual void SessionDeleted(const std::string& name) = 0;
  virtual void BackendStarted(const std::string& name, pid_t pid) = 0;
  virtual void BackendReady(const std::string& name, const std::string& socket_path) = 0;
  virtual void BackendEnded(const std::string& name, const std::string& how,
                            std::chrono::milliseconds restart_in) = 0;
  virtual void RendererKilledForMemory(const std::string& name, pid_t renderer,
                                       const MemoryUse& use) = 0;
  virtual void BackendKilled(const std::string& name, const std::string& reason) = 0;
  // A newer backend goes on with its VM, which waited for `pause`; or the one before does.
  virtual void BackendUpgraded(const std::string& name, pid_t pid, const std::string& program,
                               std::chrono::microseconds pause) = 0;
  virtual void UpgradeFailed(const std::string& name, const std::string& program,
                             const std::string& why) = 0;
};

class LogSessionReport final : public SessionReport {
 public:
  void SessionCreated(const SessionView& session) override;
  void SessionRecovered(const std::string& name, pid_t pid) override;
  void SessionDeleted(const std::string& name) override;
  void BackendStarted(const std::string& name, pid_t pid) override;
  void BackendReady(const std::string& name, const std::string& socket_path) override;
  void BackendEnded(const std::string& name, const std::string& how,
                    std::chrono::milliseconds restart_in) override;
  void RendererKilledForMemory(const std::string& name, pid_t renderer,
                               const MemoryUse& use) override;
  void BackendKilled(const std::string& name, const std::string& reason) override;
  void BackendUpgraded(const std::string& name, pid_t pid, const std::string& program,
                       std::chrono::microseconds pause) override;
  void UpgradeFailed(const std::string& name, const std::string& program,
                     const std::string& why) override;
};

class NullSessionReport final : public SessionReport {
 public:
  void SessionCreated(const SessionView&) override {}
  void SessionRecovered(const std::string&, pid_t) override {}
  void SessionDeleted(const std::string&) override {}
  void BackendStarted(const std::string&, pid_t) override {}
  void BackendReady(const std::string&, const std::string&) override {}
  void BackendEnded(const std::string&, const std::string&, std::chrono::milliseconds) override {}
  void RendererKilledForMemory(const std::string&, pid_t, const MemoryUse&) override {}
  void BackendKilled(const std::string&, const std::string&) override {}
  void BackendUpgraded(const std::string&, pid_t, const std::string&,
                       std::chrono::microseconds) override {}
  void UpgradeFailed(const std::string&, const std::string&, const std::string&) override {}
};

}  // namespace rendercar::sidecar
