// nodes, shares, drain, renderer restart.
// SPDX-License-Identifier: Apache-2.0
#include <ctime>

#include "operator-api/cli/commands.h"

namespace rendercar::ctl {
namespace {

absl::Status ListNodes(Client& client, const Arguments& arguments) {
  RC_ASSIGN_OR_RETURN(const auto nodes, client.ListRenderNodes());
  Print(arguments, nodes, [&] { return RenderNodeTable(nodes); });
  return absl::OkStatus();
}

absl::Status ListShares(Client& client, const Arguments& arguments) {
  RC_ASSIGN_OR_RETURN(const auto shares, client.ListShares());
  Print(arguments, shares, [&] { return ShareTable(shares); });
  return absl::OkStatus();
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
