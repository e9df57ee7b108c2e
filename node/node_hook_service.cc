// KubeVirt's node hooks (VEP-190).
// SPDX-License-Identifier: Apache-2.0
#include "node/node_hook_service.h"

#include "common/log.h"
#include "common/migration.h"

namespace rendercar::node {

namespace plugins = ::kubevirt::hooks::plugins::v1alpha1;

grpc::Status NodeHookService::ExecuteNodeHook(grpc::ServerContext* /*context*/,
                                              const plugins::ExecuteNodeHookRequest* request,
                                              plugins::ExecuteNodeHookResponse* /*response*/) {
  if (request->hookpoint() != "PreMigrationSource") return grpc::Status::OK;
  log::Warning("live migration refused", {{"hook_point", request->hookpoint()}});
  return {grpc::StatusCode::FAILED_PRECONDITION, kMigrationRefusal};
}

}  // namespace rendercar::node
