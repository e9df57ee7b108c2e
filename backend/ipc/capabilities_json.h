// What a renderer can do, as JSON (between the probe and its reader, and in the probe's cache).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "backend/gpu/renderer.h"

namespace rendercar::ipc {

// How the answer was come by, for people and for the cache.
struct ProbeFacts {
  std::string virgl_version;
  std::vector<std::string> files;  // that the answer depends on: program and libraries
};
std::string ToJson(const gpu::RendererCapabilities& capabilities, const ProbeFacts& facts);
// Checks everything: the text may come from a file that anybody wrote. InvalidArgument otherwise.
absl::StatusOr<gpu::RendererCapabilities> FromJson(const std::string& text);

// Tells two sets of capsets apart (not against an adversary): 16 hexadecimal digits.
std::string CapsetDigest(const gpu::RendererCapabilities& capabilities);

}  // namespace rendercar::ipc
