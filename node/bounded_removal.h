// Removes a directory tree whose content is hostile, a bounded number of files at a time.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

namespace rendercar::node {

// Removes `path` and what is below it, follows no symlink, and stops after `budget` entries. Trees
// that are nested deeper than a few levels lose one level after the other. True when nothing is
// left.
bool RemoveSome(const std::string& path, size_t& budget);

}  // namespace rendercar::node
