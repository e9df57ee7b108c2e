// One number in a file of sysfs.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <charconv>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace rendercar::node {

// "12", "-1" or "0x1002"; absent where there is no such file, or no number in it.
inline std::optional<int64_t> ReadInteger(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::string text;
  stream >> text;
  const bool hex = text.rfind("0x", 0) == 0;
  int64_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data() + (hex ? 2 : 0), text.data() + text.size(), value, hex ? 16 : 10);
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

// The same as a T, or `fallback`.
template <typename T>
T ReadIntegerOr(const std::filesystem::path& file, T fallback) {
  const std::optional<int64_t> value = ReadInteger(file);
  return value && std::in_range<T>(*value) ? static_cast<T>(*value) : fallback;
}

}  // namespace rendercar::node
