// What a control process leaves for its successor about one session.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/session/session_note.h"

#include <nlohmann/json.hpp>

namespace rendercar::sidecar {
namespace {

using Json = nlohmann::json;
using std::chrono::nanoseconds;
using std::chrono::system_clock;

constexpr char kPrefix[] = "session/";

int64_t ToNs(system_clock::time_point time) {
  return std::chrono::duration_cast<nanoseconds>(time.time_since_epoch()).count();
}

system_clock::time_point FromNs(int64_t ns) {
  return system_clock::time_point(
      std::chrono::duration_cast<system_clock::duration>(nanoseconds(ns)));
}

Json SpecJson(const SessionSpec& spec) {
  return {{"name", spec.name},           {"share", spec.share},
          {"virgl", spec.virgl},         {"display_mode", Name(spec.display_mode)},
          {"heads", spec.heads},         {"width_px", spec.width_px},
          {"height_px", spec.height_px}, {"video_memory_bytes", spec.video_memory_bytes}};
}

absl::StatusOr<SessionSpec> SpecFrom(const Json& json) {
  SessionSpec spec;
  spec.name = json.value("name", "");
  spec.share = json.value("share", "");
  spec.virgl = json.value("virgl", spec.virgl);
  RC_ASSIGN_OR_RETURN(spec.display_mode, ParseDisplayMode(json.value("display_mode", "")));
  spec.heads = json.value("heads", spec.heads);
  spec.width_px = json.value("width_px", spec.width_px);
  spec.height_px = json.value("height_px", spec.height_px);
  spec.video_memory_bytes = json.value("video_memory_bytes", spec.video_memory_bytes);
  RC_RETURN_IF_ERROR(ValidateName(spec.name));
  return spec;
}

absl::StatusOr<SessionNote> NoteFrom(const Json& json) {
  SessionNote note;
  RC_ASSIGN_OR_RETURN(note.spec, SpecFrom(json.at("spec")));
  note.create_time = FromNs(json.value("create_time_ns", int64_t{0}));
  note.came_up = json.value("came_up", false);
  note.listened = json.value("listened", false);
  note.stopping = json.value("stopping", false);
  note.restarts = json.value("restarts", uint64_t{0});
  note.memory_kills = json.value("memory_kills", uint64_t{0});
  note.upgrades = json.value("upgrades", uint64_t{0});
  note.failed_upgrades = json.value("failed_upgrades", uint64_t{0});
  note.program = json.value("program", "");
  for (const Json& event : json.value("events", Json::array()))
    note.events.push_back({FromNs(event.value("time_ns", int64_t{0})), event.value("reason", ""),
                           event.value("message", "")});
  return note;
}

}  // namespace

std::string SessionKey(const std::string& name) { return kPrefix + name; }
bool IsSessionKey(const std::string& key) { return key.rfind(kPrefix, 0) == 0; }

std::string ToText(const SessionNote& note) {
  Json events = Json::array();
  for (const SessionEvent& event : note.events)
    events.push_back(
        {{"time_ns", ToNs(event.time)}, {"reason", event.reason}, {"message", event.message}});
  const Json json{{"spec", SpecJson(note.spec)},
                  {"create_time_ns", ToNs(note.create_time)},
                  {"came_up", note.came_up},
                  {"listened", note.listened},
                  {"stopping", note.stopping},
                  {"restarts", note.restarts},
                  {"memory_kills", note.memory_kills},
                  {"upgrades", note.upgrades},
                  {"failed_upgrades", note.failed_upgrades},
                  {"program", note.program},
                  {"events", events}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<SessionNote> SessionNoteFrom(const std::string& text) {
  try {  // the library throws on values of another type
    return NoteFrom(Json::parse(text));
  } catch (const Json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("a session's note is broken: ", error.what()));
  }
}

}  // namespace rendercar::sidecar
