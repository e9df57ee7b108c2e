// The control API: each handler posts to the event loop and waits for its answer with a deadline.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/control/control_service.h"

#include <algorithm>
#include <utility>

#include "common/loop_call.h"
#include "common/version.h"
#include "sidecar/control/convert.h"
#include "sidecar/control/grpc_status.h"
#include "sidecar/definition/render.h"

namespace rendercar::sidecar {
namespace {

// Above every wait of the supervisor (start timeout, stop grace).
constexpr std::chrono::seconds kLongestCall(25);
constexpr size_t kMaxPageSize = 100;

// The client's deadline, or ours when that comes first.
std::chrono::system_clock::time_point Deadline(const grpc::ServerContext& context) {
  return std::min(context.deadline(), std::chrono::system_clock::now() + kLongestCall);
}

// The sessions after `token`, and the token of the next page when there is one.
void FillPage(const std::vector<SessionView>& sessions, const api::ListSessionsRequest& request,
              api::ListSessionsResponse& response) {
  const size_t wanted =
      request.page_size() == 0 ? kMaxPageSize : static_cast<size_t>(request.page_size());
  const size_t limit = std::min(wanted, kMaxPageSize);
  for (const SessionView& session : sessions) {
    if (session.spec.name <= request.page_token()) continue;
    const auto count = static_cast<size_t>(response.sessions_size());
    if (count == limit) {
      response.set_next_page_token(
          *SessionId(response.sessions(response.sessions_size() - 1).name()));
      return;
    }
    *response.add_sessions() = ToProto(session);
  }
}

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
      return absl::UnimplementedError(
          absl::StrCat("this sidecar does not render device definition format ",
                       static_cast<int>(format), "; GetServerInfo lists those that it does"));
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

}  // namespace

ControlService::ControlService(EventLoop& loop, SessionManager& sessions, ServerFacts facts)
    : loop_(loop), sessions_(sessions), facts_(std::move(facts)) {}

grpc::Status ControlService::CreateSession(grpc::ServerContext* context,
                                           const api::CreateSessionRequest* request,
                                           api::Session* response) {
  absl::StatusOr<SessionSpec> spec = ToSpec(*request);
  if (!spec.ok()) return ToGrpc(spec.status());
  const auto session = CallOnLoop<SessionView>(
      loop_, Deadline(*context), [&sessions = sessions_, spec = *spec](Answer<SessionView> answer) {
        sessions.Create(spec, std::move(answer));
      });
  if (session.ok()) *response = ToProto(*session);
  return ToGrpc(session.status());
}

absl::StatusOr<SessionView> ControlService::Find(const grpc::ServerContext& context,
                                                 const std::string& name) {
  RC_ASSIGN_OR_RETURN(const std::string id, SessionId(name));
  return CallOnLoop<SessionView>(
      loop_, Deadline(context), [this, id](Answer<SessionView> answer) { answer(FindOnLoop(id)); });
}

absl::StatusOr<SessionView> ControlService::FindOnLoop(const std::string& id) const {
  for (SessionView& session : facts_.sessions()) {
    if (session.spec.name == id) return std::move(session);
  }
  return sessions_.Get(id);  // its words for what is not there
}

absl::Status ControlService::CheckOurs(const std::string& id) const {
  if (sessions_.Get(id).ok() || !FindOnLoop(id).ok()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "session '", id, "' is a VM's that libvirt started through the shim; stop that VM instead"));
}

grpc::Status ControlService::GetSession(grpc::ServerContext* context,
                                        const api::GetSessionRequest* request,
                                        api::Session* response) {
  const auto session = Find(*context, request->name());
  if (session.ok()) *response = ToProto(*session);
  return ToGrpc(session.status());
}

grpc::Status ControlService::ListSessions(grpc::ServerContext* context,
                                          const api::ListSessionsRequest* request,
                                          api::ListSessionsResponse* response) {
  if (request->page_size() < 0)
    return {grpc::StatusCode::INVALID_ARGUMENT, "page_size is negative; use 0 for the default"};
  const auto sessions = CallOnLoop<std::vector<SessionView>>(
      loop_, Deadline(*context),
      [this](Answer<std::vector<SessionView>> answer) { answer(facts_.sessions()); });
  if (sessions.ok()) FillPage(*sessions, *request, *response);
  return ToGrpc(sessions.status());
}

grpc::Status ControlService::DeleteSession(grpc::ServerContext* context,
                                           const api::DeleteSessionRequest* request,
                                           google::protobuf::Empty* /*response*/) {
  const absl::StatusOr<std::string> id = SessionId(request->name());
  if (!id.ok()) return ToGrpc(id.status());
  const auto done = CallOnLoop<bool>(
      loop_, Deadline(*context), [this, id = *id, force = request->force()](Answer<bool> answer) {
        if (const absl::Status status = CheckOurs(id); !status.ok()) return answer(status);
        sessions_.Delete(id, force, [answer = std::move(answer)](absl::Status status) mutable {
          if (status.ok()) {
            answer(true);
          } else {
            answer(status);
          }
        });
      });
  return ToGrpc(done.status());
}

grpc::Status ControlService::GetDeviceDefinition(grpc::ServerContext* context,
                                                 const api::GetDeviceDefinitionRequest* request,
                                                 api::DeviceDefinition* response) {
  const absl::StatusOr<DefinitionFormat> format = FromProto(request->format());
  if (!format.ok()) return ToGrpc(format.status());
  const auto session = Find(*context, request->name());
  if (!session.ok()) return ToGrpc(session.status());
  DeviceDescription description = Describe(*session);
  description.backend_path = sessions_.config().backend_path;
  if (request->guest_memory_bytes() != 0)
    description.guest_memory_bytes = request->guest_memory_bytes();
  if (const absl::Status status = Validate(description); !status.ok()) return ToGrpc(status);
  const Definition definition = Render(description, *format);
  response->set_format(ToProto(*format));
  response->set_text(definition.text);
  response->mutable_arguments()->Add(definition.arguments.begin(), definition.arguments.end());
  return grpc::Status::OK;
}

grpc::Status ControlService::GetServerInfo(grpc::ServerContext* context,
                                           const api::GetServerInfoRequest* /*request*/,
                                           api::ServerInfo* response) {
  const auto shares = CallOnLoop<std::vector<ShareUse>>(
      loop_, Deadline(*context),
      [this](Answer<std::vector<ShareUse>> answer) { answer(facts_.shares()); });
  if (!shares.ok()) return ToGrpc(shares.status());
  response->set_version(kVersion);
  response->set_backend_path(sessions_.config().backend_path);
  response->set_socket_directory(sessions_.config().socket_dir);
  response->set_metrics_address(facts_.metrics_address);
  response->set_vhost_user_json_path(facts_.vhost_user_json_path);
  for (const ShareUse& use : *shares) *response->add_shares() = ToProto(use);
  for (const DefinitionFormat format : kAllFormats)
    response->add_device_definition_formats(ToProto(format));
  for (const PreflightCheck& check : facts_.preflight())
    *response->add_preflight() = ToProto(check);
  return grpc::Status::OK;
}

}  // namespace rendercar::sidecar
