// KubeVirt's protocols on their socket: bound first, found by KubeVirt once Publish is called.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "common/grpc/unix_grpc_server.h"
#include "sidecar/kubevirt/domain_hook.h"
#include "sidecar/kubevirt/hook_service.h"
#include "sidecar/kubevirt/place.h"
#include "sidecar/kubevirt/plugin_service.h"
#include "sidecar/kubevirt/published_socket.h"

namespace rendercar::sidecar {

class KubevirtServer {
 public:
  // `loop`, `sessions` and `report` outlive this object. `defaults`: the session of a VM that asks
  // for nothing.
  static absl::StatusOr<std::unique_ptr<KubevirtServer>> Start(
      EventLoop& loop, SessionManager& sessions, HookReport& report, const KubevirtPlace& place,
      const SessionSpec& defaults, const UidPolicy& policy, std::function<void()> on_shutdown);

  // Lets KubeVirt find the socket; when a VMM can connect already.
  absl::Status Publish();
  // As UnixGrpcServer's.
  void Shutdown(std::chrono::milliseconds grace);

 private:
  KubevirtServer(EventLoop& loop, SessionManager& sessions, HookReport& report,
                 const SessionSpec& defaults, std::function<void()> on_shutdown);

  DomainHook hook_;
  HookInfoService info_;
  HookServiceV1alpha1 v1alpha1_{hook_};
  HookServiceV1alpha2 v1alpha2_{hook_};
  HookServiceV1alpha3 v1alpha3_{hook_};
  PluginDomainService domain_{hook_};
  PluginNodeService node_{hook_};
  HookSocket socket_;
  std::unique_ptr<UnixGrpcServer> server_;
  PublishedSocket published_;
};

}  // namespace rendercar::sidecar
