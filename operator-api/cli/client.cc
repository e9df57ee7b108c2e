// The control API as the command line uses it: connect, call, errors for people.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/cli/client.h"

#include <fcntl.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel_posix.h>
#include <unistd.h>

#include <utility>

#include "common/unix_socket.h"

namespace rendercar::ctl {
namespace {

absl::Status FromGrpc(const grpc::Status& status, const std::string& socket) {
  if (status.ok()) return absl::OkStatus();
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE &&
      status.error_message().find("session '") == std::string::npos) {
    return absl::UnavailableError(
        absl::StrCat("the sidecar at '", socket, "' closed the connection (",
                     status.error_message(), "); it may end just now, or refuse uid ", ::geteuid(),
                     " (allow it with rendercar-sidecar --allow-uid); its log tells"));
  }
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace

absl::StatusOr<Client> Client::Connect(const std::string& socket, std::chrono::seconds timeout) {
  absl::StatusOr<UniqueFd> fd = ConnectUnix(socket);
  if (!fd.ok()) {
    return absl::Status(
        fd.status().code(),
        absl::StrCat(fd.status().message(),
                     "; is rendercar-sidecar running here? Name its --control-socket with --socket "
                     "or RENDERCAR_SOCKET"));
  }
  if (::fcntl(fd->get(), F_SETFL, O_NONBLOCK) != 0) return ErrnoStatus(errno, "fcntl");
  auto channel = grpc::CreateInsecureChannelFromFd("localhost", fd->Release());
  return Client(socket, api::ControlService::NewStub(channel), timeout);
}

template <typename Request, typename Response>
absl::Status Client::Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                       Response*),
                          const Request& request, Response& response) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + timeout_);
  return FromGrpc((stub_.get()->*method)(&context, request, &response), socket_);
}

absl::StatusOr<api::Session> Client::CreateSession(const api::CreateSessionRequest& request) {
  api::Session session;
  RC_RETURN_IF_ERROR(Call(&Stub::CreateSession, request, session));
  return session;
}

absl::StatusOr<api::Session> Client::GetSession(const api::GetSessionRequest& request) {
  api::Session session;
  RC_RETURN_IF_ERROR(Call(&Stub::GetSession, request, session));
  return session;
}

absl::StatusOr<api::ListSessionsResponse> Client::ListSessions() {
  api::ListSessionsResponse all;
  api::ListSessionsRequest request;
  do {
    api::ListSessionsResponse page;
    RC_RETURN_IF_ERROR(Call(&Stub::ListSessions, request, page));
    all.mutable_sessions()->MergeFrom(page.sessions());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

absl::Status Client::DeleteSession(const api::DeleteSessionRequest& request) {
  google::protobuf::Empty nothing;
  return Call(&Stub::DeleteSession, request, nothing);
}

absl::StatusOr<api::DeviceDefinition> Client::GetDeviceDefinition(
    const api::GetDeviceDefinitionRequest& request) {
  api::DeviceDefinition definition;
  RC_RETURN_IF_ERROR(Call(&Stub::GetDeviceDefinition, request, definition));
  return definition;
}

absl::StatusOr<api::ServerInfo> Client::GetServerInfo() {
  api::ServerInfo info;
  RC_RETURN_IF_ERROR(Call(&Stub::GetServerInfo, api::GetServerInfoRequest(), info));
  return info;
}

}  // namespace rendercar::ctl
