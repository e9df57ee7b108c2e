// A small process that starts one program for this one, so that this one can be denied to start
// any.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/children/process_host.h"

namespace rendercar {

// Forks it; only while this process has one thread. It starts nothing but `program`, after
// `prepare` (a sandbox that children inherit) has returned, and ends, with its children, when the
// returned object goes or this process ends. Unavailable when `prepare` failed.
absl::StatusOr<std::unique_ptr<ProcessHost>> StartSpawner(
    const std::string& program, const std::function<absl::Status()>& prepare);

}  // namespace rendercar
