// rendercar-sidecar define: prints a device definition without a running sidecar.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "common/status.h"

namespace rendercar::sidecar {

struct DefineOptions {
  std::string format = "qemu-args";
  std::string name = "gpu0";
  std::string socket_path;
  std::string display = "secondary";
  std::string resolution = "1280x800";
  std::string render_node = "software";
  std::string binary = "/usr/bin/rendercar-backend";
  std::string domain;  // a file, or "-" for standard input
  std::string read;    // the same: a definition to read back
  uint32_t heads = 1;
  uint64_t guest_memory_bytes = uint64_t{2} << 30;
  bool no_3d = false;
};

CLI::App* AddDefineCommand(CLI::App& app, DefineOptions& options);

// Prints on stdout.
absl::Status RunDefine(const DefineOptions& options);

}  // namespace rendercar::sidecar
