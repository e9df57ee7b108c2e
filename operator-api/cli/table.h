// Text in columns.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

namespace rendercar::ctl {

inline constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();

// Columns as wide as their widest cell, two spaces between, no spaces at line ends. Where lines are
// longer than `columns` the widest cells lose their middle ("team-a/virt-~top-x7k2p").
std::string Table(const std::vector<std::vector<std::string>>& rows, size_t columns = kNoLimit);

}  // namespace rendercar::ctl
