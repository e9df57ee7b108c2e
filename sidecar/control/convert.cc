// Between the control API's messages and the sidecar's own types.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/control/convert.h"

#include <google/protobuf/util/time_util.h>

#include "common/stats_page.h"
#include "operator-api/service/api_error.h"

namespace rendercar::sidecar {
namespace {

constexpr char kCollection[] = "sessions/";

google::protobuf::Timestamp ToProto(std::chrono::system_clock::time_point time) {
  return google::protobuf::util::TimeUtil::NanosecondsToTimestamp(
      std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}

absl::StatusOr<DisplayMode> FromProto(api::DisplayMode mode) {
  switch (mode) {
    case api::DISPLAY_MODE_UNSPECIFIED:
    case api::DISPLAY_MODE_SECONDARY:
      return DisplayMode::kSecondary;
    case api::DISPLAY_MODE_HEADLESS:
      return DisplayMode::kHeadless;
    case api::DISPLAY_MODE_PRIMARY:
      return DisplayMode::kPrimary;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("session.display.mode ", static_cast<int>(mode),
                       " is unknown to this sidecar; use headless, secondary or primary"));
  }
}

api::DisplayMode ToProto(DisplayMode mode) {
  switch (mode) {
    case DisplayMode::kHeadless:
      return api::DISPLAY_MODE_HEADLESS;
    case DisplayMode::kSecondary:
      return api::DISPLAY_MODE_SECONDARY;
    case DisplayMode::kPrimary:
      return api::DISPLAY_MODE_PRIMARY;
  }
  return api::DISPLAY_MODE_UNSPECIFIED;
}

api::Session::State ToProto(SessionState state) {
  switch (state) {
    case SessionState::kStarting:
      return api::Session::STATE_STARTING;
    case SessionState::kReady:
      return api::Session::STATE_READY;
    case SessionState::kBackingOff:
      return api::Session::STATE_BACKING_OFF;
    case SessionState::kStopping:
      return api::Session::STATE_STOPPING;
  }
  return api::Session::STATE_UNSPECIFIED;
}

api::PreflightCheck::Result ToProto(PreflightResult result) {
  switch (result) {
    case PreflightResult::kPass:
      return api::PreflightCheck::RESULT_PASS;
    case PreflightResult::kFail:
      return api::PreflightCheck::RESULT_FAIL;
    case PreflightResult::kSkip:
      return api::PreflightCheck::RESULT_SKIPPED;
  }
  return api::PreflightCheck::RESULT_UNSPECIFIED;
}

absl::Status CheckAcceleration(api::Acceleration acceleration) {
  if (api::Acceleration_IsValid(acceleration)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("session.acceleration ",
                                                 static_cast<int>(acceleration),
                                                 " is unknown to this sidecar; use virgl or none"));
}

}  // namespace

std::string SessionName(const std::string& id) { return kCollection + id; }

absl::StatusOr<std::string> SessionId(const std::string& name) {
  const size_t prefix = sizeof(kCollection) - 1;
  const bool has_prefix = name.rfind(kCollection, 0) == 0;
  if (!has_prefix || !ValidateName(name.substr(prefix)).ok()) {
    return api_service::BadField(
        "name", absl::StrCat("'", name, "' is no session; write it as 'sessions/NAME'"));
  }
  return name.substr(prefix);
}

absl::StatusOr<SessionSpec> ToSpec(const api::CreateSessionRequest& request) {
  const api::Session& session = request.session();
  RC_RETURN_IF_ERROR(CheckAcceleration(session.acceleration()));
  SessionSpec spec;
  RC_ASSIGN_OR_RETURN(spec.display_mode, FromProto(session.display().mode()));
  spec.name = request.session_id();
  spec.share = session.share();
  spec.virgl = session.acceleration() != api::ACCELERATION_NONE;
  spec.video_memory_bytes = session.video_memory_limit_bytes();
  const api::Display& display = session.display();
  if (display.heads() != 0) spec.heads = display.heads();
  if (display.width_px() != 0) spec.width_px = display.width_px();
  if (display.height_px() != 0) spec.height_px = display.height_px();
  return spec;
}

api::SessionUsage ToUsage(const StatsSnapshot& stats) {
  api::SessionUsage usage;
  uint64_t commands = 0;
  uint64_t failed = 0;
  for (const auto& by_result : stats.commands) {
    commands += by_result[0] + by_result[1];
    failed += by_result[static_cast<size_t>(StatsResult::kError)];
  }
  uint64_t errors = 0;
  for (const uint64_t count : stats.errors) errors += count;
  usage.set_commands(commands);
  usage.set_failed_commands(failed);
  usage.set_errors(errors);
  usage.set_bytes_2d(stats[StatsValue::kBytes2d]);
  usage.set_bytes_3d(stats[StatsValue::kBytes3d]);
  usage.set_frames(stats[StatsValue::kFramesShown]);
  usage.set_resource_bytes(stats[StatsValue::kResourceBytes]);
  usage.set_resource_limit_bytes(stats[StatsValue::kResourceBytesLimit]);
  usage.set_resources(stats[StatsValue::kResources]);
  usage.set_contexts(stats[StatsValue::kContexts]);
  usage.set_fences(stats[StatsHistogram::kFence].count());
  usage.set_fence_seconds(static_cast<double>(stats[StatsHistogram::kFence].sum_ns) * 1e-9);
  usage.set_renderer_up(stats[StatsValue::kRendererUp] != 0);
  usage.set_renderer_deaths(stats[StatsValue::kRendererDeaths]);
  *usage.mutable_time() = ToProto(std::chrono::system_clock::now());
  return usage;
}

api::Session ToProto(const SessionView& session) {
  api::Session proto;
  proto.set_name(SessionName(session.spec.name));
  proto.set_share(session.share.id);
  proto.set_acceleration(session.spec.virgl ? api::ACCELERATION_VIRGL : api::ACCELERATION_NONE);
  proto.mutable_display()->set_mode(ToProto(session.spec.display_mode));
  proto.mutable_display()->set_heads(session.spec.heads);
  proto.mutable_display()->set_width_px(session.spec.width_px);
  proto.mutable_display()->set_height_px(session.spec.height_px);
  proto.set_video_memory_limit_bytes(session.spec.video_memory_bytes);
  proto.set_state(ToProto(session.state));
  proto.set_state_message(session.state_message);
  proto.set_render_node(session.share.render_node);
  proto.set_socket_path(session.socket_path);
  proto.set_stats_path(session.stats_path);
  proto.set_backend_pid(session.backend_pid);
  proto.set_backend_restarts(session.backend_restarts);
  proto.set_backend_path(session.backend_path);
  if (!session.stats_path.empty() && session.backend_pid != 0) {
    if (const auto stats = ReadStats(session.stats_path); stats.ok()) {
      proto.set_frontend_connected((*stats)[StatsValue::kFrontendConnected] != 0);
      *proto.mutable_usage() = ToUsage(*stats);
    }
  }
  *proto.mutable_create_time() = ToProto(session.create_time);
  for (const SessionEvent& event : session.events) {
    api::SessionEvent& added = *proto.add_events();
    *added.mutable_time() = ToProto(event.time);
    added.set_reason(event.reason);
    added.set_message(event.message);
  }
  return proto;
}

api::Share ToProto(const ShareUse& use) {
  api::Share proto;
  proto.set_id(use.share.id);
  proto.set_render_node(use.share.render_node);
  proto.set_video_memory_limit_bytes(use.share.video_memory_bytes);
  if (!use.session.empty()) proto.set_session(SessionName(use.session));
  return proto;
}

api::PreflightCheck ToProto(const PreflightCheck& check) {
  api::PreflightCheck proto;
  proto.set_reason(check.reason);
  proto.set_result(ToProto(check.result));
  proto.set_sentence(check.sentence);
  return proto;
}

}  // namespace rendercar::sidecar
