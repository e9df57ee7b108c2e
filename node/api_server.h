// Where the API of the node is served: a unix socket, checked by uid, and a TCP port with mutual
// TLS.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "common/grpc/tls_grpc_server.h"
#include "common/grpc/unix_grpc_server.h"
#include "node/node_api.h"
#include "operator-api/service/services.h"

namespace rendercar::node {

struct ApiFlags {
  std::string socket;  // empty: none
  std::vector<uid_t> uids;
  TlsGrpcServer::Options tls;  // without an address: none
  RolePolicy roles;
};

void AddApiFlags(CLI::App& app, ApiFlags& flags);

class ApiServer {
 public:
  // `loop` and `api` outlive this object.
  ApiServer(EventLoop& loop, NodeApi& api, ApiFlags flags);

  // Before Start.
  void SetDiagnostics(api_service::DiagnosticSources sources) {
    inventory_.SetDiagnostics(std::move(sources));
  }
  // Serves what the flags ask for. InvalidArgument when they do not go together.
  absl::Status Start();
  // Ends watches and calls. Not on the loop's thread, which handlers wait for.
  void Shutdown(std::chrono::milliseconds grace);
  // Loop thread, or while the loop does not run; after Shutdown.
  void Reset();

 private:
  absl::Status StartTls();

  EventLoop& loop_;
  const ApiFlags flags_;
  api_service::SessionService sessions_;
  api_service::InventoryService inventory_;
  std::unique_ptr<UnixGrpcServer> unix_;
  std::unique_ptr<TlsGrpcServer> tls_;
};

}  // namespace rendercar::node
