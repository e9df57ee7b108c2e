// gRPC services on a unix socket whose clients are checked by uid: gRPC shows no credentials of a
// peer, so connections are accepted here and handed over.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/server.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "common/accept_watch.h"
#include "common/event_loop.h"
#include "common/status.h"
#include "common/unix_socket.h"

namespace rendercar::sidecar {

// Who may connect: root, this process's own uid, and those named here.
struct UidPolicy {
  std::vector<uid_t> allowed;
  bool Allows(uid_t uid) const;
};

class UnixGrpcServer {
 public:
  // Serves `services` (which outlive the server) with grpc.health.v1 and reflection; accepts on
  // `loop`. Loop thread, or before the loop runs.
  static absl::StatusOr<std::unique_ptr<UnixGrpcServer>> Start(
      EventLoop& loop, const std::string& path, UidPolicy policy,
      const std::vector<grpc::Service*>& services);
  // Loop thread, or after the loop ran.
  ~UnixGrpcServer();
  UnixGrpcServer(const UnixGrpcServer&) = delete;
  UnixGrpcServer& operator=(const UnixGrpcServer&) = delete;

  // Refuses new calls, cancels the running ones after `grace`. Blocks: not on the loop's thread,
  // which the handlers wait for.
  void Shutdown(std::chrono::milliseconds grace);

 private:
  UnixGrpcServer(EventLoop& loop, UnixListener listener, UidPolicy policy,
                 std::unique_ptr<grpc::Server> server);
  void Accept(UniqueFd client);

  UnixListener listener_;
  const UidPolicy policy_;
  std::unique_ptr<grpc::Server> server_;
  AcceptWatch watch_;  // goes first
};

}  // namespace rendercar::sidecar
