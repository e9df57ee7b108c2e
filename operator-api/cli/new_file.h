// Writes what a command makes into a file of its own.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/status.h"

namespace rendercar::ctl {

// Makes `path` (mode 0600); AlreadyExists, in words, when it is there.
absl::Status WriteNewFile(const std::string& path, const std::string& content);

}  // namespace rendercar::ctl
