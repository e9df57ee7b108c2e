// What this installation can do, told without touching a GPU, and where its renderer lies.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace rendercar::backend {

// The renderer's executable: beside the running one, else in ../libexec/rendercar from there. Empty
// when there is none.
std::string FindRenderer();

// The answer to --print-capabilities (QEMU's vhost-user.json, VHostUserBackendCapabilities).
// `render-node` is in it only where there is one: libvirt refuses to start a VM when it chose a
// backend for that feature and finds no node.
std::string CapabilitiesJson(const std::string& renderer_program,
                             const std::string& dri_directory = "/dev/dri");

}  // namespace rendercar::backend
