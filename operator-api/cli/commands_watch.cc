// watch and top: what changes, and who uses how much, as it happens.
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <map>
#include <thread>

#include "operator-api/cli/commands.h"
#include "operator-api/cli/terminal.h"

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

// All sessions, as the changes so far leave them, and the last change.
class LiveTable {
 public:
  void Apply(const api::WatchSessionsResponse& change) {
    if (change.change() == api::WatchSessionsResponse::CHANGE_RESET) sessions_.clear();
    if (change.change() == api::WatchSessionsResponse::CHANGE_SYNCED) synced_ = true;
    if (!change.has_session()) return;
    if (change.change() == api::WatchSessionsResponse::CHANGE_DELETED) {
      sessions_.erase(change.session().name());
    } else {
      sessions_[change.session().name()] = change.session();
    }
    if (synced_) last_ = ChangeLine(change, Clock());
  }
  bool synced() const { return synced_; }
  std::string Text() const {
    api::ListSessionsResponse list;
    for (const auto& [name, session] : sessions_) *list.add_sessions() = session;
    return SessionTable(list, std::time(nullptr), Columns()) + "\n" + last_;
  }

 private:
  std::map<std::string, api::Session> sessions_;
  std::string last_;
  bool synced_ = false;
};

absl::Status Watch(Client& client, const Arguments& arguments) {
  api::WatchSessionsRequest request;
  request.set_filter(arguments.filter);
  request.set_resume_token(arguments.resume_token);
  uint32_t told = 0;
  LiveTable table;
  const bool whole = arguments.resume_token.empty();  // else the table would lack what is known
  const auto screen = arguments.lines || !whole ? std::nullopt : Screen();
  return client.WatchSessions(request, [&](const api::WatchSessionsResponse& change) {
    if (arguments.output == OutputFormat::kTable && screen) {
      table.Apply(change);
      if (table.synced()) Redraw(table.Text(), Screen().value_or(*screen));
    } else if (arguments.output == OutputFormat::kTable) {
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
  RC_ASSIGN_OR_RETURN(auto before, client.ListSessions(arguments.filter));
  for (uint32_t shown = 0; arguments.count == 0 || shown < arguments.count; ++shown) {
    std::this_thread::sleep_for(std::chrono::duration<double>(arguments.interval_s));
    RC_ASSIGN_OR_RETURN(auto now, client.ListSessions(arguments.filter));
    const auto screen = arguments.output == OutputFormat::kTable ? Screen() : std::nullopt;
    if (screen) {
      Redraw(TopTable(before, now, screen->columns), *screen);
    } else {
      Print(arguments, now, [&] { return TopTable(before, now, Columns()); });
      std::fflush(stdout);
    }
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
  watch->add_flag("--lines", arguments.lines,
                  "A line for each change, also on a terminal that can show a live table");
  watch->add_option("--count", arguments.count, "End after so many changes [never]")
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
