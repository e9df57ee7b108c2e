// A stand-in for virt-launcher's definition of a domain: twice, through its lossy model, with hook
// sidecars and plugins in its order.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/status.h"
#include "tests/fakes/virt-launcher/hook_client.h"

namespace rendercar::testing {

struct LaunchInput {
  std::string domain_xml;  // what KubeVirt's converter made
  std::string vmi;         // as JSON
  std::vector<Hook> hooks;
  std::string plugin_socket;  // empty: no Plugin exists
  // Defines the domain in libvirt and gives its inactive XML back.
  std::function<absl::StatusOr<std::string>(const std::string& xml)> define;
};

// What each pass defined.
struct LaunchResult {
  std::string first;
  std::string second;
};

// Pass 1 defines the domain; its inactive XML goes through the lossy model and is pass 2, as
// virt-launcher does to place hot-plug ports. Hooks get the lossy model's XML, and what they answer
// must fit it too. With a plugin, what the hooks answered goes through the lossy model first.
absl::StatusOr<LaunchResult> Launch(const LaunchInput& input);

}  // namespace rendercar::testing
