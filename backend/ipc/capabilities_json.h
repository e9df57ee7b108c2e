// What a renderer can do, as JSON (between the probe and its reader, and in the probe's cache).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "backend/gpu/renderer.h"

namespace rendercar::ipc {

std::string ToJson(const gpu::RendererCapabilities& capabilities, const std::string& virgl_version);
// Checks everything: the text may come from a file that anybody wrote. InvalidArgument otherwise.
absl::StatusOr<gpu::RendererCapabilities> FromJson(const std::string& text);

// Tells two sets of capsets apart (not against an adversary): 16 hexadecimal digits.
std::string CapsetDigest(const gpu::RendererCapabilities& capabilities);

}  // namespace rendercar::ipc
