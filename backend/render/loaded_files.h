// Which files this process has loaded code from.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace rendercar::render {

// The program and its libraries by path, sorted, each once.
std::vector<std::string> LoadedFiles();

}  // namespace rendercar::render
