// A stand-in for virt-launcher's definition of a domain.
// SPDX-License-Identifier: Apache-2.0
#include "tests/fakes/virt-launcher/launcher.h"

#include <algorithm>

#include "tests/fakes/virt-launcher/domain_spec.h"

namespace rendercar::testing {
namespace {

bool Wants(const Hook& hook, const std::string& point) {
  return std::count(hook.points.begin(), hook.points.end(), point) > 0;
}

// One definition of the XML that the lossy model wrote; what was defined, and what libvirt made of
// it.
struct Pass {
  std::string defined;
  std::string inactive;
};

absl::StatusOr<Pass> RunPass(const LaunchInput& input, const std::string& spec) {
  std::string xml = spec;
  for (const Hook& hook : input.hooks) {
    if (!Wants(hook, "OnDefineDomain")) continue;
    RC_ASSIGN_OR_RETURN(xml, CallOnDefineDomain(hook, xml, input.vmi));
    RC_RETURN_IF_ERROR(ThroughDomainSpec(xml).status());
  }
  if (!input.plugin_socket.empty()) {
    RC_ASSIGN_OR_RETURN(xml, ThroughDomainSpec(xml));
    RC_ASSIGN_OR_RETURN(xml, CallMutateDomain(input.plugin_socket, xml, input.vmi, "Boot"));
  }
  RC_ASSIGN_OR_RETURN(std::string inactive, input.define(xml));
  return Pass{xml, inactive};
}

}  // namespace

absl::StatusOr<LaunchResult> Launch(const LaunchInput& input) {
  RC_ASSIGN_OR_RETURN(const std::string spec, ThroughDomainSpec(input.domain_xml));
  RC_ASSIGN_OR_RETURN(const Pass first, RunPass(input, spec));
  RC_ASSIGN_OR_RETURN(const std::string read_back, ThroughDomainSpec(first.inactive));
  RC_ASSIGN_OR_RETURN(const Pass second, RunPass(input, read_back));
  return LaunchResult{first.defined, second.defined};
}

}  // namespace rendercar::testing
