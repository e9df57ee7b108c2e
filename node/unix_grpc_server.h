// A gRPC server whose unix socket can be removed and made again under it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/server.h>
#include <sys/stat.h>

#include <memory>
#include <string>

#include "common/accept_watch.h"
#include "common/event_loop.h"
#include "common/unix_socket.h"

namespace rendercar::node {

// gRPC gets accepted connections only; the listening socket is ours, because gRPC removes the path
// of a socket that it stops serving even when somebody else's stands there by now. Loop only.
class UnixGrpcServer {
 public:
  // `service` outlives this object.
  UnixGrpcServer(EventLoop& loop, grpc::Service& service);
  ~UnixGrpcServer();

  // Listens at `path`, again if need be. Errors are UnixListener's.
  absl::Status Listen(const std::string& path);
  // Whether the socket at the path is still the one that is listened on.
  bool PathIsOurs() const;
  // Stops accepting and removes the path.
  void StopListening();
  // Ends all calls; blocks until their handlers are done, so not on the loop.
  void Shutdown();

 private:
  void Accept(UniqueFd connection);

  EventLoop& loop_;
  std::unique_ptr<grpc::Server> server_;
  UnixListener listener_;
  std::unique_ptr<AcceptWatch> watch_;
  dev_t dev_ = 0;
  ino_t ino_ = 0;
};

}  // namespace rendercar::node
