// gRPC services on a unix socket that is ours: clients can be checked by uid, and the socket can be
// removed and made again under the server.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/server.h>
#include <sys/stat.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/accept_watch.h"
#include "common/event_loop.h"
#include "common/status.h"
#include "common/unix_socket.h"

namespace rendercar {

// Who may connect: root, this process's own uid, and those named here.
struct UidPolicy {
  std::vector<uid_t> allowed;
  bool Allows(uid_t uid) const;
};

// gRPC gets accepted connections only: it shows no credentials of a peer, and it removes the path
// of a socket that it stops serving even when somebody else's stands there by now. Loop thread, or
// while the loop does not run.
class UnixGrpcServer {
 public:
  struct Options {
    // Looked at when a client connects; none: whoever the socket's mode lets in.
    std::optional<UidPolicy> uids;
    mode_t socket_mode = 0660;
    // Adds grpc.health.v1 and reflection.
    bool standard_services = false;
  };

  // `services` outlive the server.
  UnixGrpcServer(EventLoop& loop, const std::vector<grpc::Service*>& services, Options options);
  ~UnixGrpcServer();
  UnixGrpcServer(const UnixGrpcServer&) = delete;
  UnixGrpcServer& operator=(const UnixGrpcServer&) = delete;

  // A server for our own API: checked by uid, with the standard services, listening.
  static absl::StatusOr<std::unique_ptr<UnixGrpcServer>> Start(
      EventLoop& loop, const std::string& path, UidPolicy policy,
      const std::vector<grpc::Service*>& services);

  // Listens at `path`, again if need be. Errors are UnixListener's.
  absl::Status Listen(const std::string& path);
  // Whether the socket at the path is still the one that is listened on.
  bool PathIsOurs() const;
  // Stops accepting and removes the path.
  void StopListening();
  // Refuses new calls, cancels the running ones after `grace`. Blocks until their handlers are
  // done: not on the loop's thread, which they wait for.
  void Shutdown(std::chrono::milliseconds grace);

 private:
  void Accept(UniqueFd client);
  bool IsWelcome(int client) const;

  EventLoop& loop_;
  const Options options_;
  std::unique_ptr<grpc::Server> server_;
  UnixListener listener_;
  std::unique_ptr<AcceptWatch> watch_;
  dev_t dev_ = 0;
  ino_t ino_ = 0;
};

}  // namespace rendercar
