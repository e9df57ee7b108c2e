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
  TlsTarget tls;  // instead of `socket` where it has an address
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
  std::string filter;
  double interval_s = 2;
  uint32_t count = 0;  // 0: until interrupted
  std::string resume_token;
  bool lines = false;
  bool end_drain = false;
  std::string reason;
  std::string file;
  std::string shell = "bash";
  uint32_t head = 0;
  std::string binary;
};

// "gpu0" or "software-0/gpu0" as the API names it.
std::string ResourceName(const std::string& session);

// Runs one command; prints its result on stdout.
using Command = std::function<absl::Status(Client&, const Arguments&)>;

// Prints `message` as the flags want it; `table` makes the form for people.
void Print(const Arguments& arguments, const google::protobuf::Message& message,
           const std::function<std::string()>& table);
// A command of `parent` whose parsing leaves `command` in `chosen`.
CLI::App* AddCommand(CLI::App& parent, const std::string& name, const std::string& help,
                     Command& chosen, Command command);

// commands_watch.cc: watch and top.
void AddWatching(CLI::App& app, Arguments& arguments, Command& chosen);
// commands_inventory.cc: nodes, shares, drain, renderer restart.
void AddInventory(CLI::App& app, Arguments& arguments, Command& chosen);
// support_bundle.cc: one file for whoever helps.
void AddSupportBundle(CLI::App& app, Arguments& arguments, Command& chosen);
// screenshot.cc: what a screen shows, as a PNG.
void AddScreenshot(CLI::App& app, Arguments& arguments, Command& chosen);
// The script of `completion`, from what `app` knows.
std::string CompletionScript(const CLI::App& app);

// Where --socket is not given.
std::string DefaultSocket();

// Adds flags and commands to `app`; parsing leaves the chosen command in `command`.
void AddCommands(CLI::App& app, Arguments& arguments, Command& command);

}  // namespace rendercar::ctl
