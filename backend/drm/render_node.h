// Render nodes: which there are, and one opened and checked. The only module of the backend that
// knows libdrm.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/status.h"
#include "common/unique_fd.h"

namespace rendercar::drm {

// Opens `path` read-write, close-on-exec, and checks that it is a DRM render node. Errors are
// sentences for the user: NotFound, PermissionDenied (with the owners that the file has),
// InvalidArgument for what is no render node.
absl::StatusOr<UniqueFd> OpenRenderNode(const std::string& path);

// The paths of the render nodes in `directory`, in the order of their numbers; no node is opened.
std::vector<std::string> ListRenderNodes(const std::string& directory = "/dev/dri");

// The kernel driver of an open node ("amdgpu", "vgem"); empty when it does not say.
std::string DriverName(int fd);

}  // namespace rendercar::drm
