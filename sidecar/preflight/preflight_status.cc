// Preflight of a running sidecar.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/preflight/preflight_status.h"

#include "common/log.h"

namespace rendercar::sidecar {

void PreflightStatus::DomainDefined(const std::string& domain_xml, const std::string& vmi_json) {
  const std::lock_guard<std::mutex> lock(mutex_);
  input_.domain_xml = domain_xml;
  input_.vmi_json = vmi_json;
}

std::vector<PreflightCheck> PreflightStatus::Checks() const {
  std::unique_lock<std::mutex> lock(mutex_);
  const PreflightInput input = input_;
  lock.unlock();
  return Preflight(input);
}

void PreflightStatus::LogFailures() const {
  for (const PreflightCheck& check : Checks()) {
    if (check.result != PreflightResult::kFail) continue;
    log::Warning("preflight", {{"reason", check.reason}, {"sentence", check.sentence}});
  }
}

}  // namespace rendercar::sidecar
