// watch and top: what changes, and who uses how much, as it happens.
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <thread>

#include "operator-api/cli/commands.h"

namespace rendercar::ctl {
namespace {

std::string Clock() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  return fmt::format("{:02}:{:02}:{:02}", local.tm_hour, local.tm_min, local.tm_sec);
}

void Write(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

absl::Status Watch(Client& client, const Arguments& arguments) {
  api::WatchSessionsRequest request;
  request.set_filter(arguments.filter);
  request.set_resume_token(arguments.resume_token);
  uint32_t told = 0;
  return client.WatchSessions(request, [&](const api::WatchSessionsResponse& change) {
    if (arguments.output == OutputFormat::kTable) {
      Write(ChangeLine(change, Clock()));
    } else {
      Print(arguments, change, [] { return std::string(); });
      if (arguments.output == OutputFormat::kYaml) Write("---\n");
    }
    return ++told != arguments.count;
  });
}

absl::Status Top(Client& client, const Arguments& arguments) {
  if (arguments.interval_s < 0.1 || arguments.interval_s > 3600) {
    return absl::InvalidArgumentError(
        fmt::format("--interval is {}; write seconds from 0.1 to 3600", arguments.interval_s));
  }
  const bool refresh = ::isatty(STDOUT_FILENO) != 0 && arguments.output == OutputFormat::kTable;
  RC_ASSIGN_OR_RETURN(auto before, client.ListSessions(arguments.filter));
  for (uint32_t shown = 0; arguments.count == 0 || shown < arguments.count; ++shown) {
    std::this_thread::sleep_for(std::chrono::duration<double>(arguments.interval_s));
    RC_ASSIGN_OR_RETURN(auto now, client.ListSessions(arguments.filter));
    if (refresh) Write("\033[H\033[2J");
    Print(arguments, now, [&] { return TopTable(before, now); });
    std::fflush(stdout);
    before = std::move(now);
  }
  return absl::OkStatus();
}

void AddFilter(CLI::App* app, Arguments& arguments) {
  app->add_option("--filter", arguments.filter, "Only those: for example \"state=ready\"")
      ->option_text("TEXT");
}

}  // namespace

void AddWatching(CLI::App& app, Arguments& arguments, Command& chosen) {
  CLI::App* watch =
      AddCommand(app, "watch", "Show changes of sessions as they happen", chosen, Watch);
  AddFilter(watch, arguments);
  watch->add_option("--count", arguments.count, "End after so many lines [never]")
      ->option_text("N");
  watch
      ->add_option("--resume", arguments.resume_token,
                   "Go on after this resume_token of an earlier watch")
      ->option_text("TOKEN");
  CLI::App* top =
      AddCommand(app, "top", "Show who uses the GPU how much, again and again", chosen, Top);
  AddFilter(top, arguments);
  top->add_option("--interval", arguments.interval_s, "Seconds between two looks [2]")
      ->option_text("SECONDS");
  top->add_option("--count", arguments.count, "End after so many looks [never]")->option_text("N");
}

}  // namespace rendercar::ctl
