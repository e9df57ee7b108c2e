// One number in a file of sysfs.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>

namespace rendercar::node {

// Absent where there is no such file, or no number in it.
inline std::optional<int64_t> ReadInteger(const std::filesystem::path& file) {
  std::ifstream stream(file);
  int64_t value = 0;
  if (stream >> value) return value;
  return std::nullopt;
}

}  // namespace rendercar::node
