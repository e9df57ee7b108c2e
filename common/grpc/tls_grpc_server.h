// gRPC services on a TCP port, for clients with a certificate: mutual TLS, and one of two roles for
// each name.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/security/auth_context.h>
#include <grpcpp/server.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "common/status.h"

namespace rendercar {

enum class Role { kNone, kRead, kChange };

// Names of client certificates (a DNS name or URI among the subject's alternative names, or its
// common name) and what they may do. Who may change may read.
struct RolePolicy {
  std::vector<std::string> readers;
  std::vector<std::string> changers;

  // kChange for connections without TLS: those are unix sockets, where the uid was checked.
  Role RoleOf(const grpc::AuthContext* peer) const;
};

// What a client's certificate calls it, the most telling name first; empty without TLS.
std::vector<std::string> NamesOf(const grpc::AuthContext& peer);

class TlsGrpcServer {
 public:
  struct Options {
    std::string address;      // "HOST:PORT"; port 0 chooses one
    std::string certificate;  // files, PEM; read again when they change
    std::string key;
    std::string client_ca;  // whose clients are let in
    std::chrono::seconds reload_interval{10};
  };

  // TLS 1.2 or newer; a client without a certificate of `client_ca`, or with a name that `roles`
  // does not know, gets no answer but a refusal. `services` and `roles` outlive the server.
  // InvalidArgument or NotFound, in words, for addresses and files that are no good.
  static absl::StatusOr<std::unique_ptr<TlsGrpcServer>> Start(
      const Options& options, const RolePolicy& roles, const std::vector<grpc::Service*>& services);
  ~TlsGrpcServer();

  int port() const { return port_; }
  // As UnixGrpcServer::Shutdown.
  void Shutdown(std::chrono::milliseconds grace);

 private:
  TlsGrpcServer(std::unique_ptr<grpc::Server> server, int port)
      : server_(std::move(server)), port_(port) {}

  std::unique_ptr<grpc::Server> server_;
  const int port_;
};

}  // namespace rendercar
