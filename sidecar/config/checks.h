// Checks of paths that a person or Allocate named; each failure is a sentence with a remedy.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/status.h"

namespace rendercar::sidecar {

// `what` names the path's role and origin in messages: "socket directory (--socket-dir)".

// `path` begins with '/'. InvalidArgument.
absl::Status CheckAbsolute(const std::string& path, const std::string& what);

// A directory in which this process may create files. NotFound, InvalidArgument (no directory),
// PermissionDenied.
absl::Status CheckWritableDirectory(const std::string& path, const std::string& what);

// "software", or a character device that this process can open for reading and writing. NotFound,
// InvalidArgument (no device), PermissionDenied.
absl::Status CheckRenderNode(const std::string& path);

// A file that can be executed. NotFound, PermissionDenied.
absl::Status CheckProgram(const std::string& path, const std::string& what);

// A program that a session may be upgraded to, from whoever asks: an absolute path of a plain file
// that can be executed and that nobody but root and this uid can change. InvalidArgument, NotFound,
// PermissionDenied.
absl::Status CheckUpgradeProgram(const std::string& path);

// A socket at `path` fits into what Linux takes. InvalidArgument.
absl::Status CheckSocketPath(const std::string& path);

}  // namespace rendercar::sidecar
