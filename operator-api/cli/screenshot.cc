// screenshot: what a screen of a session shows, as a PNG file.
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "operator-api/cli/commands.h"
#include "operator-api/cli/new_file.h"

namespace rendercar::ctl {
namespace {

// "software-0/gpu0" becomes "gpu0".
std::string LastPart(const std::string& session) { return session.substr(session.rfind('/') + 1); }

absl::Status TakeScreenshot(Client& client, const Arguments& arguments) {
  api::CaptureScreenshotRequest request;
  request.set_name(ResourceName(arguments.session));
  request.set_head(arguments.head);
  RC_ASSIGN_OR_RETURN(const Screenshot shot, client.CaptureScreenshot(request));
  if (arguments.file == "-") {
    if (::isatty(STDOUT_FILENO) != 0)
      return absl::InvalidArgumentError("--file=- writes a PNG to a terminal; redirect it");
    std::fwrite(shot.png.data(), 1, shot.png.size(), stdout);
    return absl::OkStatus();
  }
  const std::string path =
      arguments.file.empty() ? fmt::format("{}-{}.png", LastPart(arguments.session), arguments.head)
                             : arguments.file;
  RC_RETURN_IF_ERROR(WriteNewFile(path, shot.png));
  std::printf("%s (%u x %u)\n", path.c_str(), shot.width_px, shot.height_px);
  return absl::OkStatus();
}

}  // namespace

void AddScreenshot(CLI::App& app, Arguments& arguments, Command& chosen) {
  CLI::App* screenshot = AddCommand(
      app, "screenshot", "Save what a screen of a session shows as a PNG", chosen, TakeScreenshot);
  screenshot->add_option("session", arguments.session, "Name of the session")
      ->required()
      ->option_text("NAME");
  screenshot->add_option("--head", arguments.head, "Number of the screen, from 0 [0]")
      ->option_text("N");
  screenshot->add_option("--file", arguments.file, "Its name, or '-' for stdout [NAME-HEAD.png]")
      ->option_text("FILE");
}

}  // namespace rendercar::ctl
