// KubeVirt's protocols on their socket.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/app/kubevirt_server.h"

#include <utility>

#include "common/log.h"

namespace rendercar::sidecar {

KubevirtServer::KubevirtServer(EventLoop& loop, SessionManager& sessions, HookReport& report,
                               const SessionSpec& defaults, std::function<void()> on_shutdown)
    : hook_(loop, sessions, report, defaults, std::move(on_shutdown)) {}

absl::StatusOr<std::unique_ptr<KubevirtServer>> KubevirtServer::Start(
    EventLoop& loop, SessionManager& sessions, HookReport& report, const KubevirtPlace& place,
    const SessionSpec& defaults, const UidPolicy& policy, std::function<void()> on_shutdown) {
  std::unique_ptr<KubevirtServer> server(
      new KubevirtServer(loop, sessions, report, defaults, std::move(on_shutdown)));
  server->socket_ = *place.socket;
  RC_ASSIGN_OR_RETURN(server->server_, UnixGrpcServer::Start(
                                           loop, server->socket_.bound, policy,
                                           {&server->info_, &server->v1alpha1_, &server->v1alpha2_,
                                            &server->v1alpha3_, &server->domain_, &server->node_}));
  return server;
}

absl::Status KubevirtServer::Publish() {
  RemoveLeftSockets(socket_.path.substr(0, socket_.path.rfind('/')));
  RC_ASSIGN_OR_RETURN(published_, PublishedSocket::Publish(socket_.bound, socket_.path));
  log::Info("KubeVirt can call", {{"socket", socket_.path}});
  return absl::OkStatus();
}

void KubevirtServer::Shutdown(std::chrono::milliseconds grace) {
  published_ = PublishedSocket();
  server_->Shutdown(grace);
}

}  // namespace rendercar::sidecar
