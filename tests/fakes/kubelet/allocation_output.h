// Writes down what a container would be given, as JSON and as shell.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tests/fakes/kubelet/fake_kubelet.h"

namespace rendercar::testing {

// {"resource_name", "device_ids", "envs", "mounts", "devices", "annotations", "cdi_devices"}.
std::string AllocationJson(const std::string& resource, const FakeKubelet::Allocation& allocation);

// One line of export NAME='value' for each variable.
std::string AllocationShell(const FakeKubelet::Allocation& allocation);

// Where no container runtime makes the mounts: replaces each mount's container path by its host
// path, in variables and mounts alike.
void UseHostPaths(FakeKubelet::Allocation& allocation);

}  // namespace rendercar::testing
