// A small file that readers see whole or not at all.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/status.h"

namespace rendercar::node {

// Replaces `path` by `content` (mode 0644), making its directory if need be; nothing is written
// when it already says that.
absl::Status WriteAtomically(const std::string& path, const std::string& content);

// Removes it if it is there.
void RemoveFile(const std::string& path);

}  // namespace rendercar::node
