// Why a renderer process ended, as one sentence, and the exit codes by which it says so.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "common/subprocess.h"

namespace rendercar::ipc {

// Beside those of common/program.h.
inline constexpr int kExitForbiddenCall = 159;  // as if by SIGSYS: 128 + 31
inline constexpr int kExitNodeGone = 66;        // EX_NOINPUT: the render node is not there
inline constexpr int kExitCapsetsDiffer = 78;   // EX_CONFIG

// `forbidden_call` is what the renderer left in the ring's page: 1 + the number of the system call
// that its sandbox stopped, or 0. Hostile; used as a number only.
std::string ExitReason(const ChildEnd& end, uint32_t forbidden_call);

}  // namespace rendercar::ipc
