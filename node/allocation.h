// Decides what an Allocate request gets: checks it as a whole, then makes directories and answers
// by the contract of common/share_env.h.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/status.h"
#include "node/session_dirs.h"
#include "node/share.h"

namespace rendercar::node {

// The share ids that each container of one request asks for, as the kubelet sent them.
using AllocationRequest = std::vector<std::vector<std::string>>;

// What one container gets; the shape of the kubelet's ContainerAllocateResponse.
struct ContainerGrant {
  struct Mount {
    std::string container_path;
    std::string host_path;
    bool read_only = false;
  };
  struct Device {
    std::string container_path;
    std::string host_path;
    std::string permissions;
  };
  std::map<std::string, std::string> envs;
  std::vector<Mount> mounts;
  std::vector<Device> devices;
  std::map<std::string, std::string> annotations;
  std::vector<std::string> cdi_devices;
};

struct AllocationPolicy {
  std::string resource_name;  // for messages
  uint32_t max_shares_per_container = 8;
  // Whether one container may have several shares of one render node.
  bool allow_same_node = false;
  // The runtime gets CDI names instead of plain devices.
  bool use_cdi = false;
  // Limits of each session, by share_env::kLimitNames.
  std::map<std::string, uint64_t> limits = {};
  // Each session's renderer gets no more time than its share is of its render node.
  bool time_by_shares = false;
  Failover failover = {};
  std::string upgrade_dir = {};  // of the host; empty: none
};

// All or nothing: a status that says why, and no directory left, or a grant for each container.
// InvalidArgument: nothing asked for, an id twice, more than policy allows. NotFound: no such
// share. Unavailable: the share's node is unhealthy. What making a directory failed with otherwise.
absl::StatusOr<std::vector<ContainerGrant>> AllocateShares(const ShareTable& table,
                                                           const AllocationPolicy& policy,
                                                           const AllocationRequest& request,
                                                           SessionDirs& dirs);

// The checks alone.
absl::Status CheckAllocation(const ShareTable& table, const AllocationPolicy& policy,
                             const AllocationRequest& request);

}  // namespace rendercar::node
