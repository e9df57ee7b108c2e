// What the API can do at a sidecar.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/control/sidecar_api.h"

#include <map>
#include <utility>

#include "common/log.h"
#include "common/loop_call.h"
#include "common/version.h"
#include "operator-api/service/api_error.h"
#include "sidecar/control/convert.h"
#include "sidecar/control/screen_capture.h"
#include "sidecar/definition/render.h"
#include "sidecar/session/memory_use.h"

namespace rendercar::sidecar {
namespace {

absl::StatusOr<DefinitionFormat> FromProto(api::DeviceDefinitionFormat format) {
  switch (format) {
    case api::DEVICE_DEFINITION_FORMAT_UNSPECIFIED:
    case api::DEVICE_DEFINITION_FORMAT_QEMU_ARGS:
      return DefinitionFormat::kQemuArgs;
    case api::DEVICE_DEFINITION_FORMAT_LIBVIRT_MANAGED:
      return DefinitionFormat::kLibvirtManaged;
    case api::DEVICE_DEFINITION_FORMAT_LIBVIRT_SHIM:
      return DefinitionFormat::kLibvirtShim;
    case api::DEVICE_DEFINITION_FORMAT_KUBEVIRT:
      return DefinitionFormat::kKubevirt;
    case api::DEVICE_DEFINITION_FORMAT_VHOST_USER_JSON:
      return DefinitionFormat::kVhostUserJson;
    default:
      return api_service::WithReason(
          absl::UnimplementedError(
              absl::StrCat("this sidecar does not render device definition format ",
                           static_cast<int>(format), "; GetServerInfo lists those that it does")),
          "FORMAT_UNKNOWN");
  }
}

api::DeviceDefinitionFormat ToProto(DefinitionFormat format) {
  switch (format) {
    case DefinitionFormat::kQemuArgs:
      return api::DEVICE_DEFINITION_FORMAT_QEMU_ARGS;
    case DefinitionFormat::kLibvirtManaged:
      return api::DEVICE_DEFINITION_FORMAT_LIBVIRT_MANAGED;
    case DefinitionFormat::kLibvirtShim:
      return api::DEVICE_DEFINITION_FORMAT_LIBVIRT_SHIM;
    case DefinitionFormat::kKubevirt:
      return api::DEVICE_DEFINITION_FORMAT_KUBEVIRT;
    case DefinitionFormat::kVhostUserJson:
      return api::DEVICE_DEFINITION_FORMAT_VHOST_USER_JSON;
  }
  return api::DEVICE_DEFINITION_FORMAT_UNSPECIFIED;
}

bool KillRendererOf(pid_t backend) {
  if (backend <= 0) return false;
  for (const RendererProcess& renderer : FindRenderers(backend)) {
    if (KillRenderer(renderer.pid)) return true;
  }
  return false;
}

absl::StatusOr<v1::Session> Converted(const absl::StatusOr<SessionView>& session) {
  RC_RETURN_IF_ERROR(session.status());
  return ToProto(*session);
}

// What `mask` names of `from`, put into `spec`.
absl::Status Apply(const v1::Session& from, const google::protobuf::FieldMask& mask,
                   SessionSpec& spec) {
  if (mask.paths().empty())
    return api_service::BadField("update_mask", "is empty; name the fields to change");
  for (const std::string& path : mask.paths()) {
    if (path == "video_memory_limit_bytes") {
      spec.video_memory_bytes = from.video_memory_limit_bytes();
    } else if (path == "display.width_px") {
      spec.width_px = from.display().width_px();
    } else if (path == "display.height_px") {
      spec.height_px = from.display().height_px();
    } else if (path == "display.heads") {
      spec.heads = from.display().heads();
    } else {
      return api_service::BadField(
          "update_mask",
          absl::StrCat("names '", path,
                       "'; what can change is video_memory_limit_bytes, display.width_px, "
                       "display.height_px and display.heads"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

SidecarApi::SidecarApi(EventLoop& loop, SessionManager& sessions, ServerFacts facts)
    : loop_(loop), sessions_(sessions), facts_(std::move(facts)) {}

absl::StatusOr<std::vector<v1::Session>> SidecarApi::List(Deadline deadline) {
  RC_ASSIGN_OR_RETURN(const std::vector<SessionView> views,
                      CallOnLoop<std::vector<SessionView>>(
                          loop_, deadline, [this](Answer<std::vector<SessionView>> answer) {
                            answer(facts_.sessions());
                          }));
  std::vector<v1::Session> sessions;
  sessions.reserve(views.size());
  for (const SessionView& view : views) sessions.push_back(ToProto(view));
  return sessions;
}

absl::StatusOr<SessionView> SidecarApi::Find(const std::string& name, Deadline deadline) {
  RC_ASSIGN_OR_RETURN(const std::string id, SessionId(name));
  auto found = CallOnLoop<SessionView>(
      loop_, deadline, [this, id](Answer<SessionView> answer) { answer(FindOnLoop(id)); });
  if (absl::IsNotFound(found.status()))
    return api_service::WithReason(found.status(), "SESSION_NOT_FOUND", {{"session", id}});
  return found;
}

absl::StatusOr<SessionView> SidecarApi::FindOnLoop(const std::string& id) const {
  for (SessionView& session : facts_.sessions()) {
    if (session.spec.name == id) return std::move(session);
  }
  return sessions_.Get(id);  // its words for what is not there
}

absl::Status SidecarApi::CheckOurs(const std::string& id) const {
  if (sessions_.Get(id).ok() || !FindOnLoop(id).ok()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "session '", id, "' is a VM's that libvirt started through the shim; stop that VM instead"));
}

absl::StatusOr<v1::Session> SidecarApi::Get(const std::string& name, Deadline deadline) {
  return Converted(Find(name, deadline));
}

absl::StatusOr<v1::Session> SidecarApi::Create(const v1::CreateSessionRequest& request,
                                               Deadline deadline) {
  RC_ASSIGN_OR_RETURN(const SessionSpec spec, ToSpec(request));
  const auto session = CallOnLoop<SessionView>(
      loop_, deadline, [&sessions = sessions_, spec](Answer<SessionView> answer) {
        sessions.Create(spec, std::move(answer));
      });
  static const auto* reasons = new std::map<absl::StatusCode, std::string>{
      {absl::StatusCode::kAlreadyExists, "SESSION_EXISTS"},
      {absl::StatusCode::kNotFound, "SHARE_NOT_FOUND"},
      {absl::StatusCode::kResourceExhausted, "NO_FREE_SHARE"},
      {absl::StatusCode::kFailedPrecondition, "DRAINING"},
      {absl::StatusCode::kUnavailable, "BACKEND_FAILED"}};
  const auto reason = reasons->find(session.status().code());
  if (reason != reasons->end())
    return api_service::WithReason(session.status(), reason->second,
                                   {{"session", request.session_id()}});
  return Converted(session);
}

absl::Status SidecarApi::Delete(const v1::DeleteSessionRequest& request, Deadline deadline) {
  RC_ASSIGN_OR_RETURN(const std::string id, SessionId(request.name()));
  const auto done =
      CallOnLoop<bool>(loop_, deadline, [this, id, force = request.force()](Answer<bool> answer) {
        if (const absl::Status status = CheckOurs(id); !status.ok()) return answer(status);
        sessions_.Delete(id, force, [answer = std::move(answer)](absl::Status status) mutable {
          if (status.ok()) {
            answer(true);
          } else {
            answer(std::move(status));
          }
        });
      });
  if (absl::IsNotFound(done.status()))
    return api_service::WithReason(done.status(), "SESSION_NOT_FOUND", {{"session", id}});
  if (absl::IsFailedPrecondition(done.status()))
    return api_service::WithReason(done.status(), "VM_CONNECTED", {{"session", id}});
  return done.status();
}

absl::StatusOr<v1::Session> SidecarApi::Update(const v1::UpdateSessionRequest& request,
                                               Deadline deadline) {
  RC_ASSIGN_OR_RETURN(const SessionView before, Find(request.session().name(), deadline));
  SessionSpec spec = before.spec;
  RC_RETURN_IF_ERROR(Apply(request.session(), request.update_mask(), spec));
  const auto after =
      CallOnLoop<SessionView>(loop_, deadline, [this, spec](Answer<SessionView> answer) {
        if (const absl::Status status = CheckOurs(spec.name); !status.ok()) return answer(status);
        sessions_.Ensure(spec, std::move(answer));
      });
  if (absl::IsFailedPrecondition(after.status()))
    return api_service::WithReason(after.status(), "VM_CONNECTED", {{"session", spec.name}});
  RC_RETURN_IF_ERROR(after.status());
  const std::string what =
      absl::StrCat("video memory ", before.spec.video_memory_bytes, " -> ",
                   after->spec.video_memory_bytes, " bytes, screens ", before.spec.heads, " of ",
                   before.spec.width_px, "x", before.spec.height_px, " -> ", after->spec.heads,
                   " of ", after->spec.width_px, "x", after->spec.height_px);
  log::Info("limits updated", {{"session", spec.name}, {"what", what}});
  loop_.Post([&sessions = sessions_, name = spec.name, what] {
    sessions.NoteEvent(name, "LimitsUpdated", what);
  });
  return Get(request.session().name(), deadline);
}

absl::StatusOr<v1::Session> SidecarApi::RestartRenderer(const v1::RestartRendererRequest& request,
                                                        Deadline deadline) {
  RC_ASSIGN_OR_RETURN(const SessionView session, Find(request.name(), deadline));
  if (!KillRendererOf(session.backend_pid)) {
    return api_service::WithReason(
        absl::FailedPreconditionError(
            "no renderer runs: the guest uses no 3D now, or 3D is turned off"),
        "NO_RENDERER", {{"session", session.spec.name}});
  }
  log::Info("renderer restarted", {{"session", session.spec.name}});
  loop_.Post([&sessions = sessions_, name = session.spec.name] {
    sessions.NoteEvent(name, "RendererRestarted", "the renderer was ended by a call of the API");
  });
  return Get(request.name(), deadline);
}

absl::StatusOr<v1::Session> SidecarApi::Upgrade(const v1::UpgradeSessionRequest& request,
                                                Deadline deadline) {
  RC_ASSIGN_OR_RETURN(const SessionView before, Find(request.name(), deadline));
  const std::string& id = before.spec.name;
  log::Info("upgrade asked for", {{"session", id}, {"program", request.binary()}});
  const auto upgraded = CallOnLoop<SessionView>(
      loop_, deadline, [this, id, program = request.binary()](Answer<SessionView> answer) {
        if (const absl::Status status = CheckOurs(id); !status.ok()) return answer(status);
        sessions_.Upgrade(id, program, std::move(answer));
      });
  static const auto* reasons = new std::map<absl::StatusCode, std::string>{
      {absl::StatusCode::kNotFound, "BINARY_NOT_FOUND"},
      {absl::StatusCode::kInvalidArgument, "BINARY_NOT_ALLOWED"},
      {absl::StatusCode::kPermissionDenied, "BINARY_NOT_ALLOWED"},
      {absl::StatusCode::kFailedPrecondition, "UPGRADE_REFUSED"},
      {absl::StatusCode::kUnavailable, "UPGRADE_FAILED"}};
  const auto reason = reasons->find(upgraded.status().code());
  if (reason != reasons->end())
    return api_service::WithReason(upgraded.status(), reason->second, {{"session", id}});
  return Converted(upgraded);
}

absl::StatusOr<v1::DeviceDefinition> SidecarApi::Define(
    const v1::GetDeviceDefinitionRequest& request, Deadline deadline) {
  RC_ASSIGN_OR_RETURN(const DefinitionFormat format, FromProto(request.format()));
  RC_ASSIGN_OR_RETURN(const SessionView session, Find(request.name(), deadline));
  DeviceDescription description = Describe(session);
  description.backend_path = sessions_.config().backend_path;
  if (request.guest_memory_bytes() != 0)
    description.guest_memory_bytes = request.guest_memory_bytes();
  RC_RETURN_IF_ERROR(Validate(description));
  const Definition rendered = Render(description, format);
  v1::DeviceDefinition definition;
  definition.set_format(ToProto(format));
  definition.set_text(rendered.text);
  definition.mutable_arguments()->Add(rendered.arguments.begin(), rendered.arguments.end());
  return definition;
}

absl::StatusOr<api_service::Screenshot> SidecarApi::Capture(
    const v1::CaptureScreenshotRequest& request, Deadline deadline) {
  RC_ASSIGN_OR_RETURN(const SessionView session, Find(request.name(), deadline));
  const std::map<std::string, std::string> about{{"session", session.spec.name}};
  if (session.screenshot_path.empty()) {
    return api_service::WithReason(
        absl::FailedPreconditionError(
            "this session has no socket for screenshots: libvirt started it, or the path of "
            "--control-socket leaves no room for its name"),
        "NO_SCREENSHOT", about);
  }
  const auto picture = CaptureScreen(session.screenshot_path, request.head(), deadline);
  if (absl::IsFailedPrecondition(picture.status()))
    return api_service::WithReason(picture.status(), "NO_SCREENSHOT", about);
  if (!picture.ok())
    return api_service::WithReason(absl::UnavailableError(picture.status().message()),
                                   "BACKEND_FAILED", about);
  api_service::Screenshot shot{picture->width, picture->height, ""};
  RC_ASSIGN_OR_RETURN(shot.png, EncodePng(*picture));
  return shot;
}

absl::StatusOr<std::vector<ShareUse>> SidecarApi::Uses(Deadline deadline) {
  return CallOnLoop<std::vector<ShareUse>>(
      loop_, deadline, [this](Answer<std::vector<ShareUse>> answer) { answer(facts_.shares()); });
}

absl::StatusOr<v1::ServerInfo> SidecarApi::Info(Deadline deadline) {
  v1::ServerInfo info;
  RC_ASSIGN_OR_RETURN(const auto uses, Uses(deadline));
  RC_ASSIGN_OR_RETURN(
      const bool draining,
      CallOnLoop<bool>(loop_, deadline, [&sessions = sessions_](Answer<bool> answer) {
        answer(!sessions.drained_because().empty());
      }));
  info.set_component("sidecar");
  info.set_version(kVersion);
  info.set_backend_path(sessions_.config().backend_path);
  info.set_socket_directory(sessions_.config().socket_dir);
  info.set_metrics_address(facts_.metrics_address);
  info.set_vhost_user_json_path(facts_.vhost_user_json_path);
  info.set_draining(draining);
  for (const ShareUse& use : uses) *info.add_shares() = ToProto(use);
  for (const DefinitionFormat format : kAllFormats)
    info.add_device_definition_formats(ToProto(format));
  for (const PreflightCheck& check : facts_.preflight()) *info.add_preflight() = ToProto(check);
  return info;
}

absl::StatusOr<std::vector<v1::RenderNode>> SidecarApi::RenderNodes(Deadline deadline) {
  RC_ASSIGN_OR_RETURN(const auto uses, Uses(deadline));
  std::map<std::string, v1::RenderNode> nodes;
  for (const ShareUse& use : uses) {
    v1::RenderNode& node = nodes[use.share.render_node];
    node.set_id(use.share.render_node);
    if (use.share.render_node.rfind('/', 0) == 0) node.set_device_path(use.share.render_node);
    node.set_healthy(true);
    node.set_shares(node.shares() + 1);
    if (!use.session.empty()) node.set_used_shares(node.used_shares() + 1);
  }
  std::vector<v1::RenderNode> all;
  for (auto& [id, node] : nodes) all.push_back(std::move(node));
  return all;
}

absl::StatusOr<std::vector<v1::Share>> SidecarApi::Shares(Deadline deadline) {
  RC_ASSIGN_OR_RETURN(const auto uses, Uses(deadline));
  std::vector<v1::Share> shares;
  for (const ShareUse& use : uses) shares.push_back(ToProto(use));
  return shares;
}

absl::StatusOr<v1::ServerInfo> SidecarApi::Drain(const v1::DrainRequest& request,
                                                 Deadline deadline) {
  const std::string why = request.reason().empty() ? "no reason was given" : request.reason();
  log::Info(request.end() ? "drain ended" : "draining", {{"reason", why}});
  loop_.Post([&sessions = sessions_, why = request.end() ? "" : why] { sessions.SetDrained(why); });
  return Info(deadline);
}

}  // namespace rendercar::sidecar
