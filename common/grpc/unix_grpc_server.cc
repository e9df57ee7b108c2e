// gRPC services on a unix socket that is ours: clients can be checked by uid, and the socket can be
// removed and made again under the server.
// SPDX-License-Identifier: Apache-2.0
#include "common/grpc/unix_grpc_server.h"

#include <fcntl.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "common/log.h"

namespace rendercar {
namespace {

constexpr int kMaxThreads = 16;
constexpr int kMaxMessageBytes = 4 << 20;

log::RateLimit refused_limit;  // who is refused can come again at once

// For all servers that the process builds from now on; gRPC has no other way.
void EnableStandardServices() {
  static const bool once = [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    return true;
  }();
  static_cast<void>(once);
}

std::unique_ptr<grpc::Server> Build(const std::vector<grpc::Service*>& services) {
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetResourceQuota(grpc::ResourceQuota("unix-grpc").SetMaxThreads(kMaxThreads));
  for (grpc::Service* service : services) builder.RegisterService(service);
  return builder.BuildAndStart();
}

}  // namespace

bool UidPolicy::Allows(uid_t uid) const {
  return uid == 0 || uid == ::geteuid() ||
         std::find(allowed.begin(), allowed.end(), uid) != allowed.end();
}

UnixGrpcServer::UnixGrpcServer(EventLoop& loop, const std::vector<grpc::Service*>& services,
                               Options options)
    : loop_(loop), options_(std::move(options)) {
  if (options_.standard_services) EnableStandardServices();
  server_ = Build(services);
}

UnixGrpcServer::~UnixGrpcServer() {
  StopListening();
  Shutdown(std::chrono::milliseconds(0));
}

absl::StatusOr<std::unique_ptr<UnixGrpcServer>> UnixGrpcServer::Start(
    EventLoop& loop, const std::string& path, UidPolicy policy,
    const std::vector<grpc::Service*>& services) {
  auto server = std::make_unique<UnixGrpcServer>(
      loop, services, Options{std::move(policy), 0666, /*standard_services=*/true});
  RC_RETURN_IF_ERROR(server->Listen(path));
  return server;
}

absl::Status UnixGrpcServer::Listen(const std::string& path) {
  if (server_ == nullptr) {
    return absl::ResourceExhaustedError("cannot start a gRPC server; look at the lines above");
  }
  RC_ASSIGN_OR_RETURN(UnixListener listener, UnixListener::Listen(path, options_.socket_mode));
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot see the new socket '", path, "'"));
  }
  StopListening();
  listener_ = std::move(listener);
  dev_ = info.st_dev;
  ino_ = info.st_ino;
  watch_ = std::make_unique<AcceptWatch>(loop_, listener_,
                                         [this](UniqueFd client) { Accept(std::move(client)); });
  return absl::OkStatus();
}

bool UnixGrpcServer::PathIsOurs() const {
  struct stat info {};
  return listener_.fd() >= 0 && ::stat(listener_.path().c_str(), &info) == 0 &&
         info.st_dev == dev_ && info.st_ino == ino_;
}

void UnixGrpcServer::StopListening() {
  watch_.reset();
  listener_ = UnixListener();
}

void UnixGrpcServer::Shutdown(std::chrono::milliseconds grace) {
  if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now() + grace);
}

bool UnixGrpcServer::IsWelcome(int client) const {
  if (!options_.uids) return true;
  const absl::StatusOr<PeerCredentials> peer = GetPeerCredentials(client);
  if (peer.ok() && options_.uids->Allows(peer->uid)) return true;
  if (!refused_limit.Allow()) return false;
  log::Warning("connection refused by uid; allow it with --allow-uid (sidecar) or --api-uid (node)",
               {{"socket", listener_.path()},
                {"uid", peer.ok() ? static_cast<int64_t>(peer->uid) : -1},
                {"pid", peer.ok() ? peer->pid : -1}});
  return false;
}

void UnixGrpcServer::Accept(UniqueFd client) {
  if (!IsWelcome(client.get()) || ::fcntl(client.get(), F_SETFL, O_NONBLOCK) != 0) return;
  grpc::AddInsecureChannelFromFd(server_.get(), client.Release());
}

}  // namespace rendercar
