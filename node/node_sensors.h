// What the driver of a render node tells of it now: video memory in use, load, temperature.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "node/render_node.h"

namespace rendercar::node {

struct Sensors {
  std::optional<uint64_t> video_memory_used_bytes;
  std::optional<double> busy_ratio;           // 0..1
  std::optional<double> temperature_celsius;  // of the hottest sensor
};

// From sysfs; what the driver does not tell is left out.
Sensors ReadSensors(const RenderNode& node);

}  // namespace rendercar::node
