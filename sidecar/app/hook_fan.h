// KubeVirt's calls, told to whoever wants to know.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sidecar/kubevirt/hook_report.h"
#include "sidecar/preflight/preflight_status.h"

namespace rendercar::sidecar {

class HookFan final : public HookReport {
 public:
  // Both outlive this object.
  HookFan(HookReport& metrics, PreflightStatus& preflight)
      : metrics_(metrics), preflight_(preflight) {}

  void Answered(Hook hook, const absl::Status& result, std::chrono::nanoseconds took) override {
    metrics_.Answered(hook, result, took);
  }
  void DomainDefined(const std::string& xml, const std::string& vmi_json) override {
    preflight_.DomainDefined(xml, vmi_json);
  }

 private:
  HookReport& metrics_;
  PreflightStatus& preflight_;
};

}  // namespace rendercar::sidecar
