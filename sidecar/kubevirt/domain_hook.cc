// What KubeVirt's hooks do, without their protocols.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/kubevirt/domain_hook.h"

#include <utility>

#include "common/log.h"
#include "common/loop_call.h"
#include "common/migration.h"
#include "sidecar/config/checks.h"
#include "sidecar/definition/domain_xml.h"
#include "sidecar/kubevirt/vmi.h"

namespace rendercar::sidecar {
namespace {

constexpr std::chrono::milliseconds kBudget(4'500);

}  // namespace

DomainHook::DomainHook(EventLoop& loop, SessionManager& sessions, HookReport& report,
                       SessionSpec defaults, std::function<void()> on_shutdown)
    : loop_(loop),
      sessions_(sessions),
      report_(report),
      defaults_(std::move(defaults)),
      on_shutdown_(std::move(on_shutdown)) {}

absl::StatusOr<SessionView> DomainHook::Ensure(const SessionSpec& spec) {
  return CallOnLoop<SessionView>(loop_, std::chrono::system_clock::now() + kBudget,
                                 [&sessions = sessions_, spec](Answer<SessionView> answer) {
                                   sessions.Ensure(spec, std::move(answer));
                                 });
}

absl::StatusOr<std::string> DomainHook::MutateDomain(const std::string& xml,
                                                     const std::string& vmi_json) {
  const auto since = std::chrono::steady_clock::now();
  auto result = AddGpu(xml, vmi_json);
  if (result.ok()) report_.DomainDefined(*result, vmi_json);
  report_.Answered(Hook::kDefineDomain, result.status(), std::chrono::steady_clock::now() - since);
  return result;
}

absl::StatusOr<std::string> DomainHook::AddGpu(const std::string& xml,
                                               const std::string& vmi_json) {
  RC_ASSIGN_OR_RETURN(const VmiRequest request, ParseVmi(vmi_json, defaults_));
  if (request.live_migratable) {
    log::Warning("VM cannot be live-migrated with this GPU; set evictionStrategy: None or External",
                 {{"vmi", request.name}});
  }
  RC_ASSIGN_OR_RETURN(const SessionView session, Ensure(request.spec));
  const DeviceDescription description = Describe(session);
  RC_RETURN_IF_ERROR(CheckSocketPath(description.socket_path));
  RC_ASSIGN_OR_RETURN(std::string result,
                      AddGpuToDomain(xml, description, DomainStyle::kQemuCommandline));
  log::Info("domain has the GPU",
            {{"vmi", request.name}, {"session", session.spec.name}, {"bytes", result.size()}});
  return result;
}

absl::Status DomainHook::ExecuteNodeHook(const std::string& hook_point) {
  absl::Status result;
  if (hook_point == "PreMigrationSource") {
    result = absl::FailedPreconditionError(kMigrationRefusal);
  }
  report_.Answered(Hook::kNodeHook, result, std::chrono::nanoseconds(0));
  return result;
}

void DomainHook::Shutdown() {
  report_.Answered(Hook::kShutdown, absl::OkStatus(), std::chrono::nanoseconds(0));
  loop_.Post([this] { on_shutdown_(); });
}

}  // namespace rendercar::sidecar
