// Answers as a table for people, or as JSON or YAML for programs.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/cli/output.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>
#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/time_util.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

namespace rendercar::ctl {
namespace {

namespace api = ::rendercar::v1;
using Rows = std::vector<std::vector<std::string>>;

// "STATE_BACKING_OFF" -> "backing-off".
std::string Word(const std::string& constant, const std::string& prefix) {
  return absl::StrReplaceAll(absl::AsciiStrToLower(constant.substr(prefix.size())), {{"_", "-"}});
}

std::string State(const api::Session& session) {
  return api::Session::State_IsValid(session.state())
             ? Word(api::Session::State_Name(session.state()), "STATE_")
             : "unknown";
}

std::string Result(const api::PreflightCheck& check) {
  return api::PreflightCheck::Result_IsValid(check.result())
             ? Word(api::PreflightCheck::Result_Name(check.result()), "RESULT_")
             : "unknown";
}

std::string LastPart(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string Bytes(uint64_t bytes) {
  if (bytes == 0) return "no limit";
  if (bytes % (1 << 20) == 0) return absl::StrCat(bytes >> 20, " MiB");
  return absl::StrCat(bytes, " bytes");
}

std::string SecondsAgo(const google::protobuf::Timestamp& time, int64_t now) {
  return Age(std::max<int64_t>(0, now - time.seconds()));
}

std::string DisplayText(const api::Display& display) {
  return fmt::format("{}, {} head{}, {}x{}",
                     Word(api::DisplayMode_Name(display.mode()), "DISPLAY_MODE_"), display.heads(),
                     display.heads() == 1 ? "" : "s", display.width_px(), display.height_px());
}

// Without the words that are always the same: "gpu0" at a sidecar, "software-0/gpu0" at a node.
std::string ShortName(const std::string& name) {
  std::string text = absl::StrReplaceAll(name, {{"sessions/", ""}});
  return text.rfind("shares/", 0) == 0 ? text.substr(7) : text;
}

double Since(const google::protobuf::Timestamp& from, const google::protobuf::Timestamp& to) {
  const double ns =
      static_cast<double>(google::protobuf::util::TimeUtil::DurationToNanoseconds(to - from));
  return ns * 1e-9;
}

// 0 where a counter began again.
double Gain(uint64_t from, uint64_t to) { return to < from ? 0 : static_cast<double>(to - from); }

// Commands a second, to sort by, and the row.
std::pair<double, std::vector<std::string>> TopRow(const api::Session& session,
                                                   const api::SessionUsage& before) {
  const api::SessionUsage& now = session.usage();
  const double seconds = before.has_time() ? Since(before.time(), now.time()) : 0;
  const auto rate = [&](uint64_t from, uint64_t to) {
    return seconds > 0 ? Gain(from, to) / seconds : 0;
  };
  const double commands = rate(before.commands(), now.commands());
  const double fences = Gain(before.fences(), now.fences());
  const double fence_ms =
      fences > 0 ? (now.fence_seconds() - before.fence_seconds()) / fences * 1e3 : 0;
  const double mbytes =
      rate(before.bytes_2d() + before.bytes_3d(), now.bytes_2d() + now.bytes_3d());
  return {
      commands,
      {ShortName(session.name()),
       session.owner().pod().empty()
           ? "-"
           : absl::StrCat(session.owner().namespace_(), "/", session.owner().pod()),
       fmt::format("{:.0f}", commands), fmt::format("{:.0f}", rate(before.frames(), now.frames())),
       fmt::format("{:.1f}", mbytes * 1e-6), fmt::format("{:.2f}", fence_ms),
       fmt::format("{}M", now.resource_bytes() >> 20), absl::StrCat(now.contexts()),
       now.renderer_up() ? "on" : "-"}};
}

void AppendEvents(const api::Session& session, int64_t now, std::string& text) {
  if (session.events().empty()) return;
  text += "\nEvents:\n";
  for (const api::SessionEvent& event : session.events()) {
    text += fmt::format("  {:>4} ago  {:<15} {}\n", SecondsAgo(event.time(), now), event.reason(),
                        event.message());
  }
}

// A scalar that YAML 1.1 or 1.2 readers could take for something else than a string is quoted.
void Emit(YAML::Emitter& out, const nlohmann::ordered_json& json) {
  if (json.is_object()) {
    out << YAML::BeginMap;
    for (const auto& [key, value] : json.items()) {
      out << YAML::Key << key << YAML::Value;
      Emit(out, value);
    }
    out << YAML::EndMap;
  } else if (json.is_array()) {
    out << YAML::BeginSeq;
    for (const auto& value : json) Emit(out, value);
    out << YAML::EndSeq;
  } else if (json.is_string()) {
    out << YAML::DoubleQuoted << json.get<std::string>();
  } else {
    out << json.dump();
  }
}

}  // namespace

std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) return "{}\n";
  return text;
}

std::string ToYaml(const google::protobuf::Message& message) {
  YAML::Emitter out;
  Emit(out, nlohmann::ordered_json::parse(ToJson(message), nullptr, /*allow_exceptions=*/false));
  return std::string(out.c_str()) + "\n";
}

std::string Age(int64_t seconds) {
  if (seconds < 120) return absl::StrCat(seconds, "s");
  if (seconds < 120 * 60) return absl::StrCat(seconds / 60, "m");
  if (seconds < 48 * 3600) return absl::StrCat(seconds / 3600, "h");
  return absl::StrCat(seconds / 86400, "d");
}

std::string SessionTable(const api::ListSessionsResponse& list, int64_t now_seconds,
                         size_t columns) {
  if (list.sessions().empty())
    return "No sessions; create one with: rendercarctl sessions create NAME\n";
  Rows rows{{"NAME", "STATE", "SHARE", "NODE", "VM", "RESTARTS", "AGE"}};
  for (const api::Session& session : list.sessions()) {
    rows.push_back({ShortName(session.name()), State(session), session.share(),
                    LastPart(session.render_node()), session.frontend_connected() ? "yes" : "no",
                    absl::StrCat(session.backend_restarts()),
                    SecondsAgo(session.create_time(), now_seconds)});
  }
  return Table(rows, columns);
}

std::string SessionDetails(const api::Session& session, int64_t now_seconds) {
  Rows rows{
      {"Name:", LastPart(session.name())},
      {"State:", State(session)},
      {"Share:", session.share()},
      {"Render node:", session.render_node()},
      {"3D:", Word(api::Acceleration_Name(session.acceleration()), "ACCELERATION_")},
      {"Display:", DisplayText(session.display())},
      {"Video memory:", Bytes(session.video_memory_limit_bytes())},
      {"Socket:", session.socket_path()},
      {"Statistics:", session.stats_path().empty() ? "none" : session.stats_path()},
      {"Backend:", session.backend_pid() == 0 ? "not running"
                                              : absl::StrCat("process ", session.backend_pid())},
      {"Restarts:", absl::StrCat(session.backend_restarts())},
      {"VM connected:", session.frontend_connected() ? "yes" : "no"},
      {"Created:", absl::StrCat(SecondsAgo(session.create_time(), now_seconds), " ago")}};
  if (!session.state_message().empty())
    rows.insert(rows.begin() + 2, {"Because:", session.state_message()});
  std::string text = Table(rows);
  AppendEvents(session, now_seconds, text);
  return text;
}

std::string RenderNodeTable(const api::ListRenderNodesResponse& list) {
  if (list.render_nodes().empty()) return "No render nodes.\n";
  Rows rows{{"NODE", "DRIVER", "RESOURCE", "SHARES", "USED", "HEALTH"}};
  for (const api::RenderNode& node : list.render_nodes()) {
    rows.push_back({LastPart(node.id()), node.driver().empty() ? "-" : node.driver(),
                    node.resource().empty() ? "-" : node.resource(), absl::StrCat(node.shares()),
                    absl::StrCat(node.used_shares()),
                    node.healthy() ? "healthy" : absl::StrCat("unhealthy: ", node.problem())});
  }
  return Table(rows);
}

std::string ShareTable(const api::ListSharesResponse& list, size_t columns) {
  if (list.shares().empty()) return "No shares.\n";
  Rows rows{{"SHARE", "NODE", "MEMORY", "HEALTH", "POD", "SESSION"}};
  for (const api::Share& share : list.shares()) {
    rows.push_back({share.id(), LastPart(share.render_node()),
                    Bytes(share.video_memory_limit_bytes()), share.healthy() ? "ok" : "unhealthy",
                    share.owner().pod().empty()
                        ? "-"
                        : absl::StrCat(share.owner().namespace_(), "/", share.owner().pod()),
                    share.session().empty() ? "-" : LastPart(share.session())});
  }
  return Table(rows, columns);
}

std::string ChangeLine(const api::WatchSessionsResponse& change, const std::string& clock) {
  const std::string what =
      Word(api::WatchSessionsResponse::Change_Name(change.change()), "CHANGE_");
  const api::Session& session = change.session();
  std::string line = fmt::format("{}  {:<8}", clock, what);
  if (change.has_session()) line += fmt::format("  {}", ShortName(session.name()));
  if (!session.share().empty()) {
    line += fmt::format("  {}  {}{}", State(session), session.share(),
                        session.frontend_connected() ? "  VM connected" : "");
  }
  if (!session.state_message().empty()) line += fmt::format("  ({})", session.state_message());
  return std::string(absl::StripTrailingAsciiWhitespace(line)) + "\n";
}

std::string TopTable(const api::ListSessionsResponse& before, const api::ListSessionsResponse& now,
                     size_t columns) {
  std::map<std::string, const api::SessionUsage*> earlier;
  for (const api::Session& session : before.sessions()) earlier[session.name()] = &session.usage();
  std::vector<std::pair<double, std::vector<std::string>>> rows;
  for (const api::Session& session : now.sessions()) {
    const auto found = earlier.find(session.name());
    const api::SessionUsage none;
    rows.push_back(TopRow(session, found == earlier.end() ? none : *found->second));
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  Rows table{{"SESSION", "POD", "CMD/S", "FRAME/S", "MB/S", "FENCE ms", "MEMORY", "CTX", "3D"}};
  for (auto& row : rows) table.push_back(std::move(row.second));
  return table.size() == 1 ? "No sessions.\n" : Table(table, columns);
}

std::string InfoDetails(const api::ServerInfo& info) {
  std::string text =
      Table({{"Version:", absl::StrCat(info.version(), " (", info.component(), ")")},
             {"New sessions:", info.draining() ? "none, it is drained" : "welcome"},
             {"Backend:", info.backend_path()},
             {"Sockets:", info.socket_directory()},
             {"Metrics:", info.metrics_address().empty()
                              ? "off"
                              : absl::StrCat("http://", info.metrics_address(), "/metrics")},
             {"vhost-user JSON:", info.vhost_user_json_path()}});
  Rows shares{{"SHARE", "NODE", "VIDEO MEMORY", "SESSION"}};
  for (const api::Share& share : info.shares()) {
    shares.push_back({share.id(), share.render_node(), Bytes(share.video_memory_limit_bytes()),
                      share.session().empty() ? "-" : LastPart(share.session())});
  }
  return text + "\n" + Table(shares) +
         (info.preflight().empty() ? "" : "\n" + PreflightTable(info));
}

std::string PreflightTable(const api::ServerInfo& info) {
  Rows checks{{"PREFLIGHT", "RESULT", "SENTENCE"}};
  for (const api::PreflightCheck& check : info.preflight())
    checks.push_back({check.reason(), Result(check), check.sentence()});
  return Table(checks);
}

}  // namespace rendercar::ctl
