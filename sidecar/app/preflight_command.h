// rendercar-sidecar preflight.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "common/status.h"

namespace rendercar::sidecar {

struct PreflightOptions {
  std::string qemu;
  std::string qemu_devices;
  std::string domain;
  std::string vmi;
  std::string socket_path = "/var/run/rendercar/sockets/gpu0.sock";
  std::string share;
  std::string render_node;
};

CLI::App* AddPreflightCommand(CLI::App& app, PreflightOptions& options);

// Prints one line a check; Unavailable when one fails.
absl::Status RunPreflight(const PreflightOptions& options);

}  // namespace rendercar::sidecar
