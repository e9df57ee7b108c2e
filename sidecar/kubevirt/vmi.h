// What a VM asks for: annotations rendercar.dev/... of the VirtualMachineInstance that comes as
// JSON with every hook call.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/status.h"
#include "sidecar/session/session.h"

namespace rendercar::sidecar {

struct VmiRequest {
  std::string name;  // "namespace/name", for logs
  SessionSpec spec;  // the defaults with the VM's wishes put over them
  // KubeVirt would try to live-migrate the VM on eviction, which cannot work with a GPU.
  bool live_migratable = false;
};

// `json` comes from virt-launcher, so in the end from whoever may create VMs: InvalidArgument that
// names the annotation, its value and the form. An empty document asks for nothing.
absl::StatusOr<VmiRequest> ParseVmi(const std::string& json, const SessionSpec& defaults);

}  // namespace rendercar::sidecar
