// rendercar-launcher: holds the sidecar's sessions, so that its control process may die.
// SPDX-License-Identifier: Apache-2.0
#include "common/program.h"
#include "sidecar/launcher/launcher.h"

namespace {

constexpr char kName[] = "rendercar-launcher";
constexpr char kFooter[] =
    "The program is rendercar-sidecar, by its full path, with its own flags. When it\n"
    "dies, the backends that it started go on, it is started again, and it finds them.\n"
    "SIGTERM goes to it. When it ends by itself, the launcher ends with its exit code.\n"
    "\n"
    "Example:\n"
    "  rendercar-launcher /usr/bin/rendercar-sidecar --create-session=gpu0";

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Starts the sidecar's control process and holds its children.", kName);
  app.footer(kFooter);
  rendercar::ProgramFlags flags(app, kName);
  app.prefix_command();
  if (const auto exit = flags.Parse(argc, argv)) return static_cast<int>(*exit);
  const std::vector<std::string> command = app.remaining();
  if (command.empty() || command.front().empty() || command.front().front() != '/') {
    return rendercar::Fail(
        kName, absl::InvalidArgumentError("name the program to start by its full path, then its "
                                          "flags: rendercar-launcher /usr/bin/rendercar-sidecar"));
  }
  rendercar::launcher::Launcher launcher({.argv = command});
  const absl::StatusOr<int> code = launcher.Run();
  return code.ok() ? *code : rendercar::Fail(kName, code.status());
}
