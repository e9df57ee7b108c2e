// rendercarctl: sessions of a sidecar, from the command line.
// SPDX-License-Identifier: Apache-2.0
#include "common/program.h"
#include "operator-api/cli/client.h"
#include "operator-api/cli/commands.h"

namespace {

constexpr char kName[] = "rendercarctl";
constexpr char kFooter[] =
    "Examples:\n"
    "  rendercarctl info\n"
    "  rendercarctl sessions create gpu0 --resolution=1920x1080\n"
    "  rendercarctl sessions list -o json\n"
    "  qemu-system-x86_64 -m 2G $(rendercarctl define gpu0 --guest-memory=2GiB) ...\n"
    "  rendercarctl sessions delete gpu0\n"
    "\n"
    "Exit codes: 0 done; 64 wrong flag or value; 69 no sidecar, session or share;\n"
    "71 every share is used; 73 it exists already, or is in use; 77 no permission.";

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Shows and changes the GPU sessions of a sidecar.", kName);
  app.footer(kFooter);
  rendercar::ProgramFlags flags(app, kName);
  rendercar::ctl::Arguments arguments;
  rendercar::ctl::Command command;
  rendercar::ctl::AddCommands(app, arguments, command);
  if (const auto exit = flags.Parse(argc, argv)) return static_cast<int>(*exit);
  auto client =
      rendercar::ctl::Client::Connect(arguments.socket, std::chrono::seconds(arguments.timeout_s));
  if (!client.ok()) return rendercar::Fail(kName, client.status());
  const absl::Status status = command(*client, arguments);
  return status.ok() ? 0 : rendercar::Fail(kName, status);
}
