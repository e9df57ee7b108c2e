// What every program of ours shares on its command line: --version, --log-level, --log-format, exit
// codes, signals.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sysexits.h>

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "common/event_loop.h"
#include "common/log.h"
#include "common/status.h"
#include "common/unique_fd.h"

namespace rendercar {

// Exit codes are those of <sysexits.h>, so that a script can tell the kinds apart;
// docs/configuration.md lists them.
enum class ExitCode : int {
  kOk = EX_OK,
  kUsage = EX_USAGE,  // 64: a flag or its value is wrong
  kUnavailable =
      EX_UNAVAILABLE,       // 69: something needed is not there: a render node, a service, a share
  kInternal = EX_SOFTWARE,  // 70: a bug in ours
  kOs = EX_OSERR,           // 71: the system refused: no descriptors, no memory
  kCannotCreate = EX_CANTCREAT,  // 73: a socket or file cannot be made
  kIo = EX_IOERR,                // 74
  kProtocol =
      EX_PROTOCOL,  // 76: the peer does not speak what is needed (no CONFIG, no shared memory)
  kNoPermission = EX_NOPERM,  // 77
  kConfig = EX_CONFIG,        // 78: a configuration file is wrong
};

// The kind of failure that `status` is: InvalidArgument 64, NotFound/Unavailable 69,
// PermissionDenied 77, and so on.
ExitCode ExitCodeFor(const absl::Status& status);

// Adds --version, --log-level and --log-format to `app`. What is chosen also goes into the
// environment (RENDERCAR_LOG_LEVEL, RENDERCAR_LOG_FORMAT), so that the programs that this one
// starts log in the same way.
class ProgramFlags {
 public:
  ProgramFlags(CLI::App& app, std::string program);

  // Parses; nullopt to go on, else the exit code (0 after --help and --version, 64 after a wrong
  // flag, with one sentence on stderr). Sets up logging.
  std::optional<ExitCode> Parse(int argc, char** argv);

 private:
  CLI::App& app_;
  log::Options log_options_;
};

// Prints "PROGRAM: MESSAGE" on stderr and returns the exit code of `status`; the last thing that
// main does on failure.
int Fail(std::string_view program, const absl::Status& status);

// Blocks SIGTERM and SIGINT in this and all later threads and calls `handler` on the loop when one
// arrives; ignores SIGPIPE.
class ShutdownSignals {
 public:
  ShutdownSignals(EventLoop& loop, absl::AnyInvocable<void(int signal)> handler);
  ~ShutdownSignals();
  ShutdownSignals(const ShutdownSignals&) = delete;
  ShutdownSignals& operator=(const ShutdownSignals&) = delete;

 private:
  EventLoop& loop_;
  UniqueFd fd_;
};

}  // namespace rendercar
