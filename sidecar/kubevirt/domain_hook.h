// What KubeVirt's hooks do, without their protocols: a domain comes in, the backend is made sure to
// listen, the domain goes out with the GPU.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "common/event_loop.h"
#include "common/status.h"
#include "sidecar/kubevirt/hook_report.h"
#include "sidecar/session/session_manager.h"

namespace rendercar::sidecar {

class DomainHook {
 public:
  // All outlive this object; `sessions` is used on the loop only. `defaults` is the session of a VM
  // that asks for nothing; its name is every VM's. `on_shutdown` runs on the loop.
  DomainHook(EventLoop& loop, SessionManager& sessions, HookReport& report, SessionSpec defaults,
             std::function<void()> on_shutdown);

  // The domain with the GPU, the same bytes for the same input. May be called any number of times
  // from any thread but the loop's; answers within 5 s, KubeVirt's budget.
  absl::StatusOr<std::string> MutateDomain(const std::string& xml, const std::string& vmi_json);

  // FailedPrecondition in words for "PreMigrationSource"; OK for every other hook point.
  absl::Status ExecuteNodeHook(const std::string& hook_point);

  // QEMU is gone and virt-launcher wants the sidecar to end.
  void Shutdown();

 private:
  absl::StatusOr<SessionView> Ensure(const SessionSpec& spec);
  absl::StatusOr<std::string> AddGpu(const std::string& xml, const std::string& vmi_json);

  EventLoop& loop_;
  SessionManager& sessions_;
  HookReport& report_;
  const SessionSpec defaults_;
  const std::function<void()> on_shutdown_;
};

}  // namespace rendercar::sidecar
