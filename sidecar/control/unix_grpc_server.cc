// gRPC services on a unix socket whose clients are checked by uid: gRPC shows no credentials of a
// peer, so connections are accepted here and handed over.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/control/unix_grpc_server.h"

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

namespace rendercar::sidecar {
namespace {

constexpr int kMaxThreads = 16;
constexpr int kMaxMessageBytes = 4 << 20;

std::unique_ptr<grpc::Server> Build(const std::vector<grpc::Service*>& services) {
  static const bool once = [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    return true;
  }();
  static_cast<void>(once);
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

absl::StatusOr<std::unique_ptr<UnixGrpcServer>> UnixGrpcServer::Start(
    EventLoop& loop, const std::string& path, UidPolicy policy,
    const std::vector<grpc::Service*>& services) {
  RC_ASSIGN_OR_RETURN(UnixListener listener, UnixListener::Listen(path, 0666));
  std::unique_ptr<grpc::Server> server = Build(services);
  if (server == nullptr)
    return absl::ResourceExhaustedError("cannot start a gRPC server; look at the lines above");
  return std::unique_ptr<UnixGrpcServer>(
      new UnixGrpcServer(loop, std::move(listener), std::move(policy), std::move(server)));
}

UnixGrpcServer::UnixGrpcServer(EventLoop& loop, UnixListener listener, UidPolicy policy,
                               std::unique_ptr<grpc::Server> server)
    : listener_(std::move(listener)),
      policy_(std::move(policy)),
      server_(std::move(server)),
      watch_(loop, listener_, [this](UniqueFd client) { Accept(std::move(client)); }) {}

UnixGrpcServer::~UnixGrpcServer() { Shutdown(std::chrono::milliseconds(0)); }

void UnixGrpcServer::Shutdown(std::chrono::milliseconds grace) {
  server_->Shutdown(std::chrono::system_clock::now() + grace);
}

void UnixGrpcServer::Accept(UniqueFd client) {
  const absl::StatusOr<PeerCredentials> peer = GetPeerCredentials(client.get());
  if (!peer.ok() || !policy_.Allows(peer->uid)) {
    log::Warning("connection refused by uid; allow it with --allow-uid",
                 {{"socket", listener_.path()},
                  {"uid", peer.ok() ? static_cast<int64_t>(peer->uid) : -1},
                  {"pid", peer.ok() ? peer->pid : -1}});
    return;
  }
  if (::fcntl(client.get(), F_SETFL, O_NONBLOCK) != 0) return;
  grpc::AddInsecureChannelFromFd(server_.get(), client.Release());
}

}  // namespace rendercar::sidecar
