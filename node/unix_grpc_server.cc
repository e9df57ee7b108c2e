// A gRPC server whose unix socket can be removed and made again under it.
// SPDX-License-Identifier: Apache-2.0
#include "node/unix_grpc_server.h"

#include <fcntl.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>

#include <chrono>
#include <utility>

namespace rendercar::node {

UnixGrpcServer::UnixGrpcServer(EventLoop& loop, grpc::Service& service) : loop_(loop) {
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  server_ = builder.BuildAndStart();
  RC_CHECK(server_ != nullptr, "a gRPC server without ports starts");
}

UnixGrpcServer::~UnixGrpcServer() {
  StopListening();
  Shutdown();
}

absl::Status UnixGrpcServer::Listen(const std::string& path) {
  RC_ASSIGN_OR_RETURN(UnixListener listener, UnixListener::Listen(path));
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot see the new socket '", path, "'"));
  }
  StopListening();
  listener_ = std::move(listener);
  dev_ = info.st_dev;
  ino_ = info.st_ino;
  watch_ = std::make_unique<AcceptWatch>(
      loop_, listener_, [this](UniqueFd connection) { Accept(std::move(connection)); });
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

void UnixGrpcServer::Accept(UniqueFd connection) {
  ::fcntl(connection.get(), F_SETFL, O_NONBLOCK);
  grpc::AddInsecureChannelFromFd(server_.get(), connection.Release());
}

void UnixGrpcServer::Shutdown() {
  // Calls that have not ended by themselves within the grace are cancelled.
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(500));
}

}  // namespace rendercar::node
