// Preflight of a running sidecar: what its VM needs and whether it is so, with what the hooks have
// told meanwhile.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "sidecar/preflight/preflight.h"

namespace rendercar::sidecar {

// All methods from any thread.
class PreflightStatus {
 public:
  // `input`: what is known at start.
  explicit PreflightStatus(PreflightInput input) : input_(std::move(input)) {}

  // A hook answered with this domain for this VMI; from now on both are checked.
  void DomainDefined(const std::string& domain_xml, const std::string& vmi_json);

  // Every check as it is now: render nodes are opened anew.
  std::vector<PreflightCheck> Checks() const;

  // A warning for each check that fails.
  void LogFailures() const;

 private:
  mutable std::mutex mutex_;
  PreflightInput input_;
};

}  // namespace rendercar::sidecar
