// rendercar-sidecar preflight.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/app/preflight_command.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>

#include "sidecar/metrics/container_usage.h"
#include "sidecar/preflight/preflight.h"
#include "sidecar/vhostuser/program_output.h"

namespace rendercar::sidecar {
namespace {

// The file's content, "-" is standard input; nothing when no file was named.
absl::StatusOr<std::string> Read(const std::string& path, const char* flag) {
  std::ostringstream text;
  if (path.empty()) return text.str();
  if (path == "-") {
    text << std::cin.rdbuf();
    return text.str();
  }
  const std::ifstream file(path);
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read '", path, "' (", flag, ")"));
  text << file.rdbuf();
  return text.str();
}

absl::StatusOr<std::string> AskQemu(const std::string& qemu) {
  if (qemu.empty()) return std::string();
  const auto output = RunProgram({qemu, "-device", "help"}, std::chrono::seconds(20));
  if (!output.ok()) {
    return absl::UnavailableError(absl::StrCat(std::string(output.status().message()),
                                               "; give QEMU's whole path, or --qemu-devices"));
  }
  if (output->end.clean()) return output->text;
  return absl::UnavailableError(
      absl::StrCat("'", qemu, " -device help' ", output->end.ToString(), "; is it QEMU?"));
}

// A QEMU that cannot be asked is a check that fails: the others are told all the same.
absl::Status AddDevices(const PreflightOptions& options, PreflightInput& input) {
  if (!options.qemu_devices.empty()) {
    RC_ASSIGN_OR_RETURN(input.qemu_devices, Read(options.qemu_devices, "--qemu-devices"));
    return absl::OkStatus();
  }
  const auto devices = AskQemu(options.qemu);
  if (devices.ok()) input.qemu_devices = *devices;
  input.qemu_problem = std::string(devices.status().message());
  return absl::OkStatus();
}

void AddShares(const PreflightOptions& options, PreflightInput& input) {
  const auto shares =
      ResolveShares(::getenv, {options.share, options.render_node, "", std::nullopt});
  if (shares.ok()) input.shares = *shares;
  input.share_problem = std::string(shares.status().message());
}

}  // namespace

CLI::App* AddPreflightCommand(CLI::App& app, PreflightOptions& options) {
  CLI::App* preflight =
      app.add_subcommand("preflight", "Check what a VM with a GPU needs here, and end");
  preflight->option_defaults()->take_last();
  preflight->add_option("--qemu", options.qemu, "The VMM's QEMU, to see whether it has the device")
      ->option_text("PATH");
  preflight
      ->add_option("--qemu-devices", options.qemu_devices,
                   "What that QEMU's '-device help' printed, where it is in another container")
      ->option_text("FILE");
  preflight
      ->add_option("--domain", options.domain, "The domain's XML, to see whether memory is shared")
      ->option_text("FILE");
  preflight
      ->add_option("--vmi", options.vmi, "The VMI as JSON, to see whether it would be migrated")
      ->option_text("FILE");
  preflight
      ->add_option("--socket-path", options.socket_path,
                   "Socket as the VMM sees it [/var/run/rendercar/sockets/gpu0.sock]")
      ->option_text("PATH");
  preflight->add_option("--share", options.share, "As for serving")->option_text("ID");
  preflight->add_option("--render-node", options.render_node, "As for serving")
      ->option_text("PATH");
  return preflight;
}

absl::Status RunPreflight(const PreflightOptions& options) {
  PreflightInput input;
  AddShares(options, input);
  input.vmm_socket_path = options.socket_path;
  input.memory_limit_bytes = ReadContainerUsage().memory_limit_bytes;
  RC_RETURN_IF_ERROR(AddDevices(options, input));
  RC_ASSIGN_OR_RETURN(input.domain_xml, Read(options.domain, "--domain"));
  RC_ASSIGN_OR_RETURN(input.vmi_json, Read(options.vmi, "--vmi"));
  const std::vector<PreflightCheck> checks = Preflight(input);
  const std::string text = PreflightText(checks);
  std::fwrite(text.data(), 1, text.size(), stdout);
  const auto failed = std::count_if(checks.begin(), checks.end(), [](const PreflightCheck& check) {
    return check.result == PreflightResult::kFail;
  });
  if (failed == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(failed, " of the checks above failed"));
}

}  // namespace rendercar::sidecar
