// Whether somebody listens on a unix socket, found without connecting (a connection would be taken
// for a VMM).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace rendercar::sidecar {

// Looks `path` up in the kernel's table of unix sockets (of this network namespace, which all
// containers of a pod share), as the path was written in bind.
bool IsListening(const std::string& path, const std::string& table = "/proc/net/unix");

}  // namespace rendercar::sidecar
