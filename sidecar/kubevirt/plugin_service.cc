// KubeVirt's plugin protocol (VEP-190): domain hook and node hook.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/kubevirt/plugin_service.h"

#include "sidecar/control/grpc_status.h"

namespace rendercar::sidecar {

namespace plugins = ::kubevirt::hooks::plugins::v1alpha1;

grpc::Status PluginDomainService::MutateDomain(grpc::ServerContext* /*context*/,
                                               const plugins::MutateDomainRequest* request,
                                               plugins::MutateDomainResponse* response) {
  if (request->domain_type() != "libvirt") {
    return {grpc::StatusCode::INVALID_ARGUMENT,
            "domain type '" + request->domain_type() + "' is unknown here; libvirt is known"};
  }
  const auto xml = hook_.MutateDomain(request->domain(), request->vmi());
  if (xml.ok()) response->set_domain(*xml);
  return ToGrpc(xml.status());
}

grpc::Status PluginNodeService::ExecuteNodeHook(grpc::ServerContext* /*context*/,
                                                const plugins::ExecuteNodeHookRequest* request,
                                                plugins::ExecuteNodeHookResponse* /*response*/) {
  return ToGrpc(hook_.ExecuteNodeHook(request->hookpoint()));
}

}  // namespace rendercar::sidecar
