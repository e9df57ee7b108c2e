// rendercar-sidecar: GPU sessions of one pod, or of one host by hand.
// SPDX-License-Identifier: Apache-2.0
#include "common/log.h"
#include "common/program.h"
#include "sidecar/app/define_command.h"
#include "sidecar/app/json_command.h"
#include "sidecar/app/preflight_command.h"
#include "sidecar/app/sidecar.h"

namespace {

constexpr char kName[] = "rendercar-sidecar";
constexpr size_t kKeptLogLines = 500;
constexpr char kFooter[] =
    "Examples:\n"
    "  rendercar-sidecar                  in a pod that was allocated a share\n"
    "  rendercar-sidecar --share=hand-0 --render-node=software \\\n"
    "      --session-dir=/tmp/rc --socket-dir=/tmp/rc \\\n"
    "      --control-socket=/tmp/rc/control.sock --create-session=gpu0\n"
    "  rendercar-sidecar define --format=kubevirt --domain=vm.xml\n"
    "\n"
    "Exit codes: 0 after SIGTERM; 64 wrong flag or value; 69 something needed is\n"
    "not there; 71 the system refused; 73 a socket or file cannot be made;\n"
    "77 no permission.";

absl::Status Serve(const rendercar::sidecar::Options& options) {
  RC_ASSIGN_OR_RETURN(const auto sidecar, rendercar::sidecar::Sidecar::Create(options));
  return sidecar->Run();
}

int ExitWith(const absl::Status& status) {
  return status.ok() ? 0 : rendercar::Fail(kName, status);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Runs and supervises the GPU backends of a pod's VMs.", kName);
  app.footer(kFooter);
  rendercar::ProgramFlags flags(app, kName);
  rendercar::sidecar::Options options;
  rendercar::sidecar::AddFlags(app, options);
  rendercar::sidecar::DefineOptions define_options;
  const CLI::App* define = rendercar::sidecar::AddDefineCommand(app, define_options);
  rendercar::sidecar::JsonOptions json_options;
  const CLI::App* json = rendercar::sidecar::AddJsonCommand(app, json_options);
  rendercar::sidecar::PreflightOptions preflight_options;
  const CLI::App* preflight = rendercar::sidecar::AddPreflightCommand(app, preflight_options);
  if (const auto exit = flags.Parse(argc, argv)) return static_cast<int>(*exit);
  if (define->parsed()) return ExitWith(rendercar::sidecar::RunDefine(define_options));
  if (json->parsed()) return ExitWith(json_options.run(json_options));
  if (preflight->parsed()) return ExitWith(rendercar::sidecar::RunPreflight(preflight_options));
  rendercar::log::KeepRecent(kKeptLogLines);
  options.as_text = app.config_to_str(/*default_also=*/true);
  return ExitWith(Serve(options));
}
