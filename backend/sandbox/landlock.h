// Landlock: which files a process may still open, whatever its user may. Works without privileges.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/status.h"

namespace rendercar::sandbox {

struct FileRules {
  std::vector<std::string> read_only;   // directories or files; missing ones are left out
  std::vector<std::string> read_write;  // devices too
};

// From now on this thread and those it starts open only what `rules` allow, connect and bind no TCP
// port, and (Linux 6.12) reach no abstract unix socket and signal no process outside. True when the
// kernel does it; false when it knows no Landlock.
absl::StatusOr<bool> RestrictFiles(const FileRules& rules);

}  // namespace rendercar::sandbox
