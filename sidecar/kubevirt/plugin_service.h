// KubeVirt's plugin protocol (VEP-190): domain hook and node hook.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kubevirt/plugins.grpc.pb.h"
#include "sidecar/kubevirt/domain_hook.h"

namespace rendercar::sidecar {

class PluginDomainService final
    : public kubevirt::hooks::plugins::v1alpha1::DomainHookService::Service {
 public:
  explicit PluginDomainService(DomainHook& hook) : hook_(hook) {}
  grpc::Status MutateDomain(
      grpc::ServerContext* context,
      const kubevirt::hooks::plugins::v1alpha1::MutateDomainRequest* request,
      kubevirt::hooks::plugins::v1alpha1::MutateDomainResponse* response) override;

 private:
  DomainHook& hook_;
};

class PluginNodeService final
    : public kubevirt::hooks::plugins::v1alpha1::NodeHookService::Service {
 public:
  explicit PluginNodeService(DomainHook& hook) : hook_(hook) {}
  grpc::Status ExecuteNodeHook(
      grpc::ServerContext* context,
      const kubevirt::hooks::plugins::v1alpha1::ExecuteNodeHookRequest* request,
      kubevirt::hooks::plugins::v1alpha1::ExecuteNodeHookResponse* response) override;

 private:
  DomainHook& hook_;
};

}  // namespace rendercar::sidecar
