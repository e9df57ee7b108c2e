// The commands of rendercarctl: flags, calls and what they print.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "common/status.h"
#include "operator-api/cli/client.h"
#include "operator-api/cli/output.h"

namespace rendercar::ctl {

// Everything that flags and arguments say.
struct Arguments {
  std::string socket;
  OutputFormat output = OutputFormat::kTable;
  uint32_t timeout_s = 30;
  std::string session;
  std::string share;
  std::string display = "secondary";
  std::string resolution;
  uint32_t heads = 0;
  uint64_t video_memory_bytes = 0;
  bool no_3d = false;
  bool force = false;
  std::string format = "qemu-args";
  uint64_t guest_memory_bytes = 0;
};

// Runs one command; prints its result on stdout.
using Command = std::function<absl::Status(Client&, const Arguments&)>;

// Adds flags and commands to `app`; parsing leaves the chosen command in `command`.
void AddCommands(CLI::App& app, Arguments& arguments, Command& command);

}  // namespace rendercar::ctl
