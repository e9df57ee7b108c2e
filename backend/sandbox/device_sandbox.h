// What the device process is still allowed once it has its socket: it meets the guest's bytes, but
// needs no device, no network, no file and no program. Works as any user.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/status.h"

namespace rendercar::sandbox {

enum class DeviceRole {
  kDevice,  // meets the guest: a list of what is allowed, and nothing else
  // The spawner beside it, which starts renderers; they inherit every restriction and need more
  // until they confine themselves: a list of what none of them may ever do.
  kStartsRenderers,
};

// For all threads of this process and what it starts, for good. Call before any guest is met.
absl::Status ConfineDevice(DeviceRole role);

}  // namespace rendercar::sandbox
