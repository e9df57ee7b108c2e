// rendercarctl: GPU sessions of a sidecar or a node, from the command line.
// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "common/program.h"
#include "operator-api/cli/client.h"
#include "operator-api/cli/commands.h"

namespace {

constexpr char kName[] = "rendercarctl";
constexpr char kFooter[] =
    "Examples:\n"
    "  rendercarctl info\n"
    "  rendercarctl sessions create gpu0 --resolution=1920x1080\n"
    "  rendercarctl sessions list -o json --filter 'state=ready AND connected=false'\n"
    "  rendercarctl top\n"
    "  rendercarctl screenshot gpu0 --file=screen.png\n"
    "  rendercarctl --socket=/run/rendercar/node.sock nodes\n"
    "  rendercarctl drain --reason 'driver update'; rendercarctl drain --end\n"
    "  qemu-system-x86_64 -m 2G $(rendercarctl define gpu0 --guest-memory=2GiB) ...\n"
    "  rendercarctl sessions delete gpu0\n"
    "\n"
    "Exit codes: 0 done; 64 wrong flag or value; 69 no sidecar, session, share or\n"
    "answer in time; 70 a bug; 71 every share is used; 73 it exists already, is in\n"
    "use, or cannot be done now; 76 this server cannot do it; 77 no permission.";

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Shows and changes the GPU sessions of a sidecar or of a node.", kName);
  app.footer(kFooter);
  rendercar::ProgramFlags flags(app, kName);
  rendercar::ctl::Arguments arguments;
  rendercar::ctl::Command command;
  rendercar::ctl::AddCommands(app, arguments, command);
  const CLI::App* completion =
      app.add_subcommand("completion", "Print a script for bash that completes commands");
  if (const auto exit = flags.Parse(argc, argv)) return static_cast<int>(*exit);
  if (completion->parsed()) {
    std::fputs(rendercar::ctl::CompletionScript(app).c_str(), stdout);
    return 0;
  }
  if (arguments.socket.empty()) arguments.socket = rendercar::ctl::DefaultSocket();
  const std::chrono::seconds timeout(arguments.timeout_s);
  auto client = arguments.tls.address.empty()
                    ? rendercar::ctl::Client::Connect(arguments.socket, timeout)
                    : rendercar::ctl::Client::Connect(arguments.tls, timeout);
  if (!client.ok()) return rendercar::Fail(kName, client.status());
  const absl::Status status = command(*client, arguments);
  return status.ok() ? 0 : rendercar::Fail(kName, status);
}
