// KubeVirt's node hooks (VEP-190), which virt-handler calls on the node: refuses live migration
// before it begins.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kubevirt/plugins.grpc.pb.h"

namespace rendercar::node {

// KubeVirt calls for VMs that the Plugin's condition matches only, so what the VM is does not
// matter. Any thread.
class NodeHookService final : public kubevirt::hooks::plugins::v1alpha1::NodeHookService::Service {
 public:
  // FAILED_PRECONDITION in words for "PreMigrationSource"; OK for every other hook point, known or
  // not.
  grpc::Status ExecuteNodeHook(
      grpc::ServerContext* context,
      const kubevirt::hooks::plugins::v1alpha1::ExecuteNodeHookRequest* request,
      kubevirt::hooks::plugins::v1alpha1::ExecuteNodeHookResponse* response) override;
};

}  // namespace rendercar::node
