// What happens to KubeVirt's calls; the report decides what is counted.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include "common/status.h"

namespace rendercar::sidecar {

enum class Hook { kDefineDomain, kNodeHook, kShutdown };

class HookReport {
 public:
  virtual ~HookReport() = default;
  // Any thread.
  virtual void Answered(Hook hook, const absl::Status& result, std::chrono::nanoseconds took) = 0;
  // What a domain is from now on, and for which VMI. Any thread.
  virtual void DomainDefined(const std::string& /*xml*/, const std::string& /*vmi_json*/) {}
};

class NullHookReport final : public HookReport {
 public:
  void Answered(Hook, const absl::Status&, std::chrono::nanoseconds) override {}
};

}  // namespace rendercar::sidecar
