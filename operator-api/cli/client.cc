// The control API as the command line uses it: connect, call, errors for people.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/cli/client.h"

#include <fcntl.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/security/credentials.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <utility>

#include "common/unix_socket.h"

namespace rendercar::ctl {
namespace {

absl::StatusOr<std::string> ReadPem(const std::string& flag, const std::string& path) {
  std::ifstream file(path);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!text.empty()) return text;
  return absl::InvalidArgumentError(
      absl::StrCat("cannot read ", flag, "='", path, "'; --address needs --ca, --cert and --key"));
}

}  // namespace

absl::Status Client::FromGrpc(const grpc::Status& status) const {
  if (status.ok()) return absl::OkStatus();
  // What the server itself says has details.
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE && status.error_details().empty()) {
    return absl::UnavailableError(
        absl::StrCat(where_, " closed the connection (", status.error_message(), "); ", hint_));
  }
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

absl::StatusOr<Client> Client::Connect(const TlsTarget& target, std::chrono::seconds timeout) {
  grpc::SslCredentialsOptions options;
  RC_ASSIGN_OR_RETURN(options.pem_root_certs, ReadPem("--ca", target.ca));
  RC_ASSIGN_OR_RETURN(options.pem_cert_chain, ReadPem("--cert", target.certificate));
  RC_ASSIGN_OR_RETURN(options.pem_private_key, ReadPem("--key", target.key));
  return Client(absl::StrCat("the server at '", target.address, "'"),
                "does it listen there, and do --ca, --cert and --key fit it? Its log tells",
                grpc::CreateChannel(target.address, grpc::SslCredentials(options)), timeout);
}

absl::StatusOr<Client> Client::Connect(const std::string& socket, std::chrono::seconds timeout) {
  absl::StatusOr<UniqueFd> fd = ConnectUnix(socket);
  if (!fd.ok()) {
    return absl::Status(
        fd.status().code(),
        absl::StrCat(fd.status().message(),
                     "; is rendercar-sidecar or rendercar-node running here? Name its "
                     "--control-socket or --api-socket with --socket or RENDERCAR_SOCKET"));
  }
  if (::fcntl(fd->get(), F_SETFL, O_NONBLOCK) != 0) return ErrnoStatus(errno, "fcntl");
  auto channel = grpc::CreateInsecureChannelFromFd("localhost", fd->Release());
  return Client(absl::StrCat("the server at '", socket, "'"),
                absl::StrCat("it may end just now, or refuse uid ", ::geteuid(),
                             " (allow it with rendercar-sidecar --allow-uid or rendercar-node "
                             "--api-uid); its log tells"),
                channel, timeout);
}

template <typename Stub, typename Request, typename Response>
absl::Status Client::Call(Stub& stub,
                          grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                       Response*),
                          const Request& request, Response& response) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + timeout_);
  return FromGrpc((stub.*method)(&context, request, &response));
}

absl::StatusOr<api::Session> Client::CreateSession(const api::CreateSessionRequest& request) {
  api::Session session;
  RC_RETURN_IF_ERROR(Call(*sessions_, &Sessions::CreateSession, request, session));
  return session;
}

absl::StatusOr<api::Session> Client::GetSession(const api::GetSessionRequest& request) {
  api::Session session;
  RC_RETURN_IF_ERROR(Call(*sessions_, &Sessions::GetSession, request, session));
  return session;
}

absl::StatusOr<api::ListSessionsResponse> Client::ListSessions(const std::string& filter) {
  api::ListSessionsResponse all;
  api::ListSessionsRequest request;
  request.set_filter(filter);
  do {
    api::ListSessionsResponse page;
    RC_RETURN_IF_ERROR(Call(*sessions_, &Sessions::ListSessions, request, page));
    all.mutable_sessions()->MergeFrom(page.sessions());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

absl::Status Client::DeleteSession(const api::DeleteSessionRequest& request) {
  google::protobuf::Empty nothing;
  return Call(*sessions_, &Sessions::DeleteSession, request, nothing);
}

absl::StatusOr<api::DeviceDefinition> Client::GetDeviceDefinition(
    const api::GetDeviceDefinitionRequest& request) {
  api::DeviceDefinition definition;
  RC_RETURN_IF_ERROR(Call(*sessions_, &Sessions::GetDeviceDefinition, request, definition));
  return definition;
}

absl::StatusOr<api::Session> Client::UpdateSession(const api::UpdateSessionRequest& request) {
  api::Session session;
  RC_RETURN_IF_ERROR(Call(*sessions_, &Sessions::UpdateSession, request, session));
  return session;
}

absl::StatusOr<api::Session> Client::RestartRenderer(const api::RestartRendererRequest& request) {
  api::Session session;
  RC_RETURN_IF_ERROR(Call(*sessions_, &Sessions::RestartRenderer, request, session));
  return session;
}

absl::StatusOr<api::Session> Client::UpgradeSession(const api::UpgradeSessionRequest& request) {
  api::Session session;
  RC_RETURN_IF_ERROR(Call(*sessions_, &Sessions::UpgradeSession, request, session));
  return session;
}

absl::StatusOr<Screenshot> Client::CaptureScreenshot(const api::CaptureScreenshotRequest& request) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + timeout_);
  const auto reader = sessions_->CaptureScreenshot(&context, request);
  Screenshot shot;
  api::CaptureScreenshotResponse piece;
  while (reader->Read(&piece)) {
    shot.width_px = piece.width_px();
    shot.height_px = piece.height_px();
    shot.png += piece.png();
  }
  RC_RETURN_IF_ERROR(FromGrpc(reader->Finish()));
  return shot;
}

absl::Status Client::WatchSessions(
    const api::WatchSessionsRequest& request,
    const std::function<bool(const api::WatchSessionsResponse&)>& told) {
  grpc::ClientContext context;
  const auto reader = sessions_->WatchSessions(&context, request);
  api::WatchSessionsResponse change;
  while (reader->Read(&change)) {
    if (told(change)) continue;
    context.TryCancel();
    while (reader->Read(&change)) continue;
    reader->Finish().ok();
    return absl::OkStatus();
  }
  return FromGrpc(reader->Finish());
}

absl::StatusOr<api::ServerInfo> Client::GetServerInfo() {
  api::ServerInfo info;
  RC_RETURN_IF_ERROR(
      Call(*inventory_, &Inventory::GetServerInfo, api::GetServerInfoRequest(), info));
  return info;
}

absl::StatusOr<api::ListRenderNodesResponse> Client::ListRenderNodes() {
  api::ListRenderNodesResponse nodes;
  RC_RETURN_IF_ERROR(
      Call(*inventory_, &Inventory::ListRenderNodes, api::ListRenderNodesRequest(), nodes));
  return nodes;
}

absl::StatusOr<api::ListSharesResponse> Client::ListShares() {
  api::ListSharesResponse all;
  api::ListSharesRequest request;
  do {
    api::ListSharesResponse page;
    RC_RETURN_IF_ERROR(Call(*inventory_, &Inventory::ListShares, request, page));
    all.mutable_shares()->MergeFrom(page.shares());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

absl::StatusOr<api::ServerInfo> Client::Drain(const api::DrainRequest& request) {
  api::ServerInfo info;
  RC_RETURN_IF_ERROR(Call(*inventory_, &Inventory::Drain, request, info));
  return info;
}

absl::StatusOr<api::Diagnostics> Client::GetDiagnostics() {
  api::Diagnostics diagnostics;
  RC_RETURN_IF_ERROR(
      Call(*inventory_, &Inventory::GetDiagnostics, api::GetDiagnosticsRequest(), diagnostics));
  return diagnostics;
}

}  // namespace rendercar::ctl
