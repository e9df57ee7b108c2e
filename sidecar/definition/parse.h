// Device definitions read back into the description that they were rendered from.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/status.h"
#include "sidecar/definition/description.h"
#include "sidecar/definition/render.h"

namespace rendercar::sidecar {

// What `text` says of the GPU; the fields that a format does not tell keep their defaults (no XML
// tells "headless" from "secondary"). Rendering the answer gives the same definition again.
// InvalidArgument when it is not of that format, NotFound when it has no GPU of ours. `text` may be
// a whole domain or command line, not only what we made.
absl::StatusOr<DeviceDescription> ParseDefinition(const std::string& text, DefinitionFormat format);

// The description as flags of "rendercar-sidecar define".
std::string DescriptionFlags(const DeviceDescription& description);

}  // namespace rendercar::sidecar
