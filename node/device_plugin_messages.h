// Between the kubelet's protobuf messages and our own types.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/support/status.h>

#include <string>
#include <vector>

#include "common/status.h"
#include "kubelet/deviceplugin/v1beta1/api.pb.h"
#include "node/allocation.h"
#include "node/share.h"

namespace rendercar::node {

grpc::Status ToGrpc(const absl::Status& status);
v1beta1::ListAndWatchResponse ToList(const ShareTable& table);
void ToResponse(const ContainerGrant& grant, v1beta1::ContainerAllocateResponse* response);
AllocationRequest FromRequest(const v1beta1::AllocateRequest& request);
std::vector<std::string> FromField(const google::protobuf::RepeatedPtrField<std::string>& field);

}  // namespace rendercar::node
