// What a vhost-user helper says about itself when libvirt asks.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "common/status.h"

namespace rendercar::sidecar {

// Runs "BINARY --print-capabilities" as libvirt does and returns the features. FailedPrecondition
// with the reason why libvirt would not take the helper.
absl::StatusOr<std::vector<std::string>> ProbeHelper(
    const std::string& binary, std::chrono::milliseconds timeout = std::chrono::seconds(10));

}  // namespace rendercar::sidecar
