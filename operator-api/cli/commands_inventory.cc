// nodes, shares, drain, renderer restart.
// SPDX-License-Identifier: Apache-2.0
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <ctime>

#include "operator-api/cli/commands.h"
#include "operator-api/cli/terminal.h"

namespace rendercar::ctl {
namespace {

absl::Status ListNodes(Client& client, const Arguments& arguments) {
  RC_ASSIGN_OR_RETURN(const auto nodes, client.ListRenderNodes());
  Print(arguments, nodes, [&] { return RenderNodeTable(nodes); });
  return absl::OkStatus();
}

absl::Status ListShares(Client& client, const Arguments& arguments) {
  RC_ASSIGN_OR_RETURN(const auto shares, client.ListShares());
  Print(arguments, shares, [&] { return ShareTable(shares, Columns()); });
  return absl::OkStatus();
}

absl::Status Preflight(Client& client, const Arguments& arguments) {
  RC_ASSIGN_OR_RETURN(const auto info, client.GetServerInfo());
  if (info.preflight().empty()) {
    return absl::UnimplementedError(
        "this server checks nothing; ask the sidecar of a VM's pod (--socket)");
  }
  Print(arguments, info, [&] { return PreflightTable(info); });
  const auto failed = std::count_if(
      info.preflight().begin(), info.preflight().end(),
      [](const auto& check) { return check.result() == api::PreflightCheck::RESULT_FAIL; });
  if (failed == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(failed, " of the checks above failed"));
}

absl::Status Drain(Client& client, const Arguments& arguments) {
  api::DrainRequest request;
  request.set_end(arguments.end_drain);
  request.set_reason(arguments.reason);
  RC_ASSIGN_OR_RETURN(const auto info, client.Drain(request));
  Print(arguments, info, [&] { return InfoDetails(info); });
  return absl::OkStatus();
}

absl::Status RestartRenderer(Client& client, const Arguments& arguments) {
  api::RestartRendererRequest request;
  request.set_name(ResourceName(arguments.session));
  RC_ASSIGN_OR_RETURN(const auto session, client.RestartRenderer(request));
  Print(arguments, session, [&] { return SessionDetails(session, std::time(nullptr)); });
  return absl::OkStatus();
}

}  // namespace

void AddInventory(CLI::App& app, Arguments& arguments, Command& chosen) {
  AddCommand(app, "nodes", "List GPUs and how they are", chosen, ListNodes);
  AddCommand(app, "shares", "List shares and who has them", chosen, ListShares);
  AddCommand(app, "preflight", "Check what a VM needs; exit code 69 if it fails", chosen,
             Preflight);
  CLI::App* drain =
      AddCommand(app, "drain", "Start nothing new here; what runs goes on", chosen, Drain);
  drain->add_flag("--end", arguments.end_drain, "End the drain");
  drain->add_option("--reason", arguments.reason, "Why, for people")->option_text("TEXT");
  CLI::App* renderer = app.add_subcommand("renderer", "Renderer processes");
  renderer->require_subcommand(1)->fallthrough();
  AddCommand(*renderer, "restart", "Replace a session's renderer; its 3D programs fail once",
             chosen, RestartRenderer)
      ->add_option("session", arguments.session, "Name of the session")
      ->required()
      ->option_text("NAME");
}

}  // namespace rendercar::ctl
