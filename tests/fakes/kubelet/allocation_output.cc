// Writes down what a container would be given, as JSON and as shell.
// SPDX-License-Identifier: Apache-2.0
#include "tests/fakes/kubelet/allocation_output.h"

#include <map>
#include <nlohmann/json.hpp>

namespace rendercar::testing {
namespace {

std::string ReplaceAll(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

}  // namespace

std::string AllocationJson(const std::string& resource, const FakeKubelet::Allocation& allocation) {
  const v1beta1::ContainerAllocateResponse& response = allocation.response;
  nlohmann::json json{{"resource_name", resource},
                      {"device_ids", allocation.device_ids},
                      {"envs", nlohmann::json::object()},
                      {"mounts", nlohmann::json::array()},
                      {"devices", nlohmann::json::array()},
                      {"annotations", nlohmann::json::object()},
                      {"cdi_devices", nlohmann::json::array()}};
  for (const auto& [name, value] : response.envs()) json["envs"][name] = value;
  for (const auto& mount : response.mounts()) {
    json["mounts"].push_back({{"container_path", mount.container_path()},
                              {"host_path", mount.host_path()},
                              {"read_only", mount.read_only()}});
  }
  for (const auto& device : response.devices()) {
    json["devices"].push_back({{"container_path", device.container_path()},
                               {"host_path", device.host_path()},
                               {"permissions", device.permissions()}});
  }
  for (const auto& [name, value] : response.annotations()) json["annotations"][name] = value;
  for (const auto& device : response.cdi_devices()) {
    json["cdi_devices"].push_back({{"name", device.name()}});
  }
  return json.dump(2) + "\n";
}

std::string AllocationShell(const FakeKubelet::Allocation& allocation) {
  const std::map<std::string, std::string> sorted(allocation.response.envs().begin(),
                                                  allocation.response.envs().end());
  std::string out;
  for (const auto& [name, value] : sorted) {
    out += "export " + name + "='" + ReplaceAll(value, "'", "'\\''") + "'\n";
  }
  return out;
}

void UseHostPaths(FakeKubelet::Allocation& allocation) {
  for (auto& mount : *allocation.response.mutable_mounts()) {
    for (auto& [name, value] : *allocation.response.mutable_envs()) {
      value = ReplaceAll(value, mount.container_path(), mount.host_path());
    }
    mount.set_container_path(mount.host_path());
  }
}

}  // namespace rendercar::testing
