// Between the kubelet's protobuf messages and our own types.
// SPDX-License-Identifier: Apache-2.0
#include "node/device_plugin_messages.h"

namespace rendercar::node {

// absl's codes are gRPC's, number for number.
grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

v1beta1::ListAndWatchResponse ToList(const ShareTable& table) {
  v1beta1::ListAndWatchResponse list;
  for (const Share& share : table.shares()) {
    const RenderNode& node = table.NodeOf(share);
    v1beta1::Device* device = list.add_devices();
    device->set_id(share.id);
    device->set_health(node.healthy() ? "Healthy" : "Unhealthy");
    if (node.numa_node >= 0) device->mutable_topology()->add_nodes()->set_id(node.numa_node);
  }
  return list;
}

void ToResponse(const ContainerGrant& grant, v1beta1::ContainerAllocateResponse* response) {
  for (const auto& [name, value] : grant.envs) (*response->mutable_envs())[name] = value;
  for (const ContainerGrant::Mount& mount : grant.mounts) {
    v1beta1::Mount* out = response->add_mounts();
    out->set_container_path(mount.container_path);
    out->set_host_path(mount.host_path);
    out->set_read_only(mount.read_only);
  }
  for (const ContainerGrant::Device& device : grant.devices) {
    v1beta1::DeviceSpec* out = response->add_devices();
    out->set_container_path(device.container_path);
    out->set_host_path(device.host_path);
    out->set_permissions(device.permissions);
  }
  for (const auto& [name, value] : grant.annotations) {
    (*response->mutable_annotations())[name] = value;
  }
  for (const std::string& name : grant.cdi_devices) response->add_cdi_devices()->set_name(name);
}

std::vector<std::string> FromField(const google::protobuf::RepeatedPtrField<std::string>& field) {
  return {field.begin(), field.end()};
}

AllocationRequest FromRequest(const v1beta1::AllocateRequest& request) {
  AllocationRequest out;
  for (const v1beta1::ContainerAllocateRequest& container : request.container_requests()) {
    out.push_back(FromField(container.devices_ids()));
  }
  return out;
}

}  // namespace rendercar::node
