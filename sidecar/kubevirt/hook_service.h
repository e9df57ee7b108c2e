// KubeVirt's hook sidecar protocol: Info and Callbacks v1alpha1 to v1alpha3.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kubevirt/info.grpc.pb.h"
#include "kubevirt/v1alpha1.grpc.pb.h"
#include "kubevirt/v1alpha2.grpc.pb.h"
#include "kubevirt/v1alpha3.grpc.pb.h"
#include "sidecar/kubevirt/domain_hook.h"

namespace rendercar::sidecar {

class HookInfoService final : public kubevirt::hooks::info::Info::Service {
 public:
  grpc::Status Info(grpc::ServerContext* context, const kubevirt::hooks::info::InfoParams* request,
                    kubevirt::hooks::info::InfoResult* response) override;
};

class HookServiceV1alpha1 final : public kubevirt::hooks::v1alpha1::Callbacks::Service {
 public:
  explicit HookServiceV1alpha1(DomainHook& hook) : hook_(hook) {}
  grpc::Status OnDefineDomain(grpc::ServerContext* context,
                              const kubevirt::hooks::v1alpha1::OnDefineDomainParams* request,
                              kubevirt::hooks::v1alpha1::OnDefineDomainResult* response) override;

 private:
  DomainHook& hook_;
};

class HookServiceV1alpha2 final : public kubevirt::hooks::v1alpha2::Callbacks::Service {
 public:
  explicit HookServiceV1alpha2(DomainHook& hook) : hook_(hook) {}
  grpc::Status OnDefineDomain(grpc::ServerContext* context,
                              const kubevirt::hooks::v1alpha2::OnDefineDomainParams* request,
                              kubevirt::hooks::v1alpha2::OnDefineDomainResult* response) override;
  grpc::Status PreCloudInitIso(grpc::ServerContext* context,
                               const kubevirt::hooks::v1alpha2::PreCloudInitIsoParams* request,
                               kubevirt::hooks::v1alpha2::PreCloudInitIsoResult* response) override;

 private:
  DomainHook& hook_;
};

class HookServiceV1alpha3 final : public kubevirt::hooks::v1alpha3::Callbacks::Service {
 public:
  explicit HookServiceV1alpha3(DomainHook& hook) : hook_(hook) {}
  grpc::Status OnDefineDomain(grpc::ServerContext* context,
                              const kubevirt::hooks::v1alpha3::OnDefineDomainParams* request,
                              kubevirt::hooks::v1alpha3::OnDefineDomainResult* response) override;
  grpc::Status PreCloudInitIso(grpc::ServerContext* context,
                               const kubevirt::hooks::v1alpha3::PreCloudInitIsoParams* request,
                               kubevirt::hooks::v1alpha3::PreCloudInitIsoResult* response) override;
  grpc::Status Shutdown(grpc::ServerContext* context,
                        const kubevirt::hooks::v1alpha3::ShutdownParams* request,
                        kubevirt::hooks::v1alpha3::ShutdownResult* response) override;

 private:
  DomainHook& hook_;
};

}  // namespace rendercar::sidecar
