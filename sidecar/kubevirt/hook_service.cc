// KubeVirt's hook sidecar protocol: Info and Callbacks v1alpha1 to v1alpha3.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/kubevirt/hook_service.h"

#include "sidecar/control/grpc_status.h"

namespace rendercar::sidecar {
namespace {

// The same in all versions.
template <typename Request, typename Response>
grpc::Status Define(DomainHook& hook, const Request& request, Response& response) {
  const auto xml = hook.MutateDomain(request.domainxml(), request.vmi());
  if (xml.ok()) response.set_domainxml(*xml);
  return ToGrpc(xml.status());
}

// Not ours to change, and Info does not subscribe to it: what came in goes out.
template <typename Request, typename Response>
grpc::Status Echo(const Request& request, Response& response) {
  response.set_cloudinitnocloudsource(request.cloudinitnocloudsource());
  response.set_cloudinitdata(request.cloudinitdata());
  return grpc::Status::OK;
}

}  // namespace

grpc::Status HookInfoService::Info(grpc::ServerContext* /*context*/,
                                   const kubevirt::hooks::info::InfoParams* /*request*/,
                                   kubevirt::hooks::info::InfoResult* response) {
  response->set_name("rendercar");
  for (const char* version : {"v1alpha1", "v1alpha2", "v1alpha3"}) response->add_versions(version);
  for (const char* point : {"OnDefineDomain", "Shutdown"})
    response->add_hookpoints()->set_name(point);
  return grpc::Status::OK;
}

grpc::Status HookServiceV1alpha1::OnDefineDomain(
    grpc::ServerContext* /*context*/,
    const kubevirt::hooks::v1alpha1::OnDefineDomainParams* request,
    kubevirt::hooks::v1alpha1::OnDefineDomainResult* response) {
  return Define(hook_, *request, *response);
}

grpc::Status HookServiceV1alpha2::OnDefineDomain(
    grpc::ServerContext* /*context*/,
    const kubevirt::hooks::v1alpha2::OnDefineDomainParams* request,
    kubevirt::hooks::v1alpha2::OnDefineDomainResult* response) {
  return Define(hook_, *request, *response);
}

grpc::Status HookServiceV1alpha2::PreCloudInitIso(
    grpc::ServerContext* /*context*/,
    const kubevirt::hooks::v1alpha2::PreCloudInitIsoParams* request,
    kubevirt::hooks::v1alpha2::PreCloudInitIsoResult* response) {
  return Echo(*request, *response);
}

grpc::Status HookServiceV1alpha3::OnDefineDomain(
    grpc::ServerContext* /*context*/,
    const kubevirt::hooks::v1alpha3::OnDefineDomainParams* request,
    kubevirt::hooks::v1alpha3::OnDefineDomainResult* response) {
  return Define(hook_, *request, *response);
}

grpc::Status HookServiceV1alpha3::PreCloudInitIso(
    grpc::ServerContext* /*context*/,
    const kubevirt::hooks::v1alpha3::PreCloudInitIsoParams* request,
    kubevirt::hooks::v1alpha3::PreCloudInitIsoResult* response) {
  return Echo(*request, *response);
}

grpc::Status HookServiceV1alpha3::Shutdown(
    grpc::ServerContext* /*context*/, const kubevirt::hooks::v1alpha3::ShutdownParams* /*request*/,
    kubevirt::hooks::v1alpha3::ShutdownResult* /*response*/) {
  hook_.Shutdown();
  return grpc::Status::OK;
}

}  // namespace rendercar::sidecar
