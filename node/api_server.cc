// Where the API of the node is served.
// SPDX-License-Identifier: Apache-2.0
#include "node/api_server.h"

#include <utility>

#include "common/log.h"

namespace rendercar::node {
namespace {

void AddTlsFlags(CLI::App& app, ApiFlags& flags) {
  app.add_option("--api-address", flags.tls.address,
                 "Serve the API on this HOST:PORT too, by mutual TLS; port 0 chooses one")
      ->envname("RENDERCAR_NODE_API_ADDRESS")
      ->option_text("ADDRESS");
  app.add_option("--api-cert", flags.tls.certificate,
                 "The server's certificate (PEM); it, key and authority are read again when they "
                 "change")
      ->option_text("FILE");
  app.add_option("--api-key", flags.tls.key, "The key of --api-cert (PEM)")->option_text("FILE");
  app.add_option("--api-client-ca", flags.tls.client_ca,
                 "Who signs the certificates of clients (PEM)")
      ->option_text("FILE");
  app.add_option("--api-reader", flags.roles.readers,
                 "A name (DNS, URI or common name) in client certificates that may look; "
                 "repeatable")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->option_text("NAME");
  app.add_option("--api-changer", flags.roles.changers,
                 "A name that may look, change things and see screens; repeatable")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->option_text("NAME");
}

}  // namespace

void AddApiFlags(CLI::App& app, ApiFlags& flags) {
  app.add_option("--api-socket", flags.socket,
                 "Serve the API (rendercarctl) on this unix socket, usually "
                 "/run/rendercar/node.sock; without it there is none")
      ->envname("RENDERCAR_NODE_API_SOCKET")
      ->option_text("PATH");
  app.add_option("--api-uid", flags.uids,
                 "A uid that may use the API's socket beside root and the agent's own; repeatable")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->option_text("UID");
  AddTlsFlags(app, flags);
}

ApiServer::ApiServer(EventLoop& loop, NodeApi& api, ApiFlags flags)
    : loop_(loop),
      flags_(std::move(flags)),
      sessions_(api, flags_.roles),
      inventory_(api, flags_.roles) {}

absl::Status ApiServer::Start() {
  if (!flags_.socket.empty()) {
    RC_ASSIGN_OR_RETURN(unix_, UnixGrpcServer::Start(loop_, flags_.socket, {flags_.uids},
                                                     {&sessions_, &inventory_}));
    log::Info("serving the API", {{"socket", flags_.socket}});
  }
  return flags_.tls.address.empty() ? absl::OkStatus() : StartTls();
}

absl::Status ApiServer::StartTls() {
  if (flags_.tls.certificate.empty() || flags_.tls.key.empty() || flags_.tls.client_ca.empty()) {
    return absl::InvalidArgumentError(
        "--api-address needs --api-cert, --api-key and --api-client-ca: the API is not served over "
        "TCP without mutual TLS");
  }
  if (flags_.roles.readers.empty() && flags_.roles.changers.empty()) {
    return absl::InvalidArgumentError(
        "--api-address needs --api-reader or --api-changer: without them nobody has a role");
  }
  RC_ASSIGN_OR_RETURN(tls_,
                      TlsGrpcServer::Start(flags_.tls, flags_.roles, {&sessions_, &inventory_}));
  log::Info("serving the API by mutual TLS",
            {{"address", flags_.tls.address}, {"port", tls_->port()}});
  return absl::OkStatus();
}

void ApiServer::Shutdown(std::chrono::milliseconds grace) {
  sessions_.StopWatches();
  if (unix_ != nullptr) unix_->Shutdown(grace);
  if (tls_ != nullptr) tls_->Shutdown(grace);
}

void ApiServer::Reset() {
  unix_.reset();
  tls_.reset();
}

}  // namespace rendercar::node
