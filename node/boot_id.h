// Which boot of the machine this is: notes of what a reboot ends carry it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fstream>
#include <string>

namespace rendercar::node {

inline constexpr char kBootIdFile[] = "/proc/sys/kernel/random/boot_id";

inline std::string ReadBootId(const std::string& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

}  // namespace rendercar::node
