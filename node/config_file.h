// The configuration file of the node agent: YAML, checked key by key.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/status.h"
#include "node/config.h"

namespace rendercar::node {

// Larger files are refused before they are parsed.
inline constexpr size_t kMaxConfigBytes = 1 << 20;

// DataLoss (exit code 78) with "FILE:LINE: KEY: expected ..., found ..." for anything unknown,
// missing or of the wrong kind. `file` is for messages.
absl::StatusOr<Config> ParseConfig(const std::string& text, const std::string& file);

// Whether every resource has a name that the kubelet takes, and no two the same: a file's are, but
// flags come over it. InvalidArgument says which is not.
absl::Status CheckNames(const Config& config);

// NotFound or PermissionDenied when it cannot be read.
absl::StatusOr<std::string> ReadConfigFile(const std::string& path);

// The same configuration as YAML, every default written out.
std::string PrintConfig(const Config& config);

}  // namespace rendercar::node
