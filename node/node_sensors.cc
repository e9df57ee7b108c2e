// What the driver of a render node tells of it now: video memory in use, load, temperature.
// SPDX-License-Identifier: Apache-2.0
#include "node/node_sensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "node/sysfs_integer.h"

namespace rendercar::node {
namespace {

namespace fs = std::filesystem;

std::optional<double> Hottest(const fs::path& hwmon_root) {
  std::optional<int64_t> hottest;
  std::error_code error;
  for (fs::directory_iterator hwmon(hwmon_root, error), end; !error && hwmon != end;
       hwmon.increment(error)) {
    for (int i = 1; i <= 8; ++i) {
      const auto now = ReadInteger(hwmon->path() / fmt::format("temp{}_input", i));
      if (now) hottest = std::max(hottest.value_or(*now), *now);
    }
  }
  if (!hottest) return std::nullopt;
  return static_cast<double>(*hottest) / 1000;
}

}  // namespace

Sensors ReadSensors(const RenderNode& node) {
  Sensors sensors;
  if (node.device_path.empty()) return sensors;
  const fs::path device = node.device_path;
  const auto used = ReadInteger(device / "mem_info_vram_used");
  if (used && *used >= 0) sensors.video_memory_used_bytes = static_cast<uint64_t>(*used);
  const auto busy = ReadInteger(device / "gpu_busy_percent");
  if (busy) sensors.busy_ratio = static_cast<double>(*busy) / 100;
  sensors.temperature_celsius = Hottest(device / "hwmon");
  return sensors;
}

}  // namespace rendercar::node
