// What the leader says of RenderPools, from nodes and GpuSessions. Pure functions, and the writer.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "operator-api/kube/api_client.h"
#include "operator-api/kube/informer.h"
#include "operator-api/operator/report.h"
#include "operator-api/operator/session_objects.h"

namespace rendercar::rc_operator {

// What a cluster has, as the API server lists it.
struct Cluster {
  kube::Informer::Objects pools;
  std::vector<Json> nodes;
  std::vector<Json> sessions;
};

// The status of `pool`; conditions that did not change keep their time.
Json PoolStatus(const Json& pool, const Cluster& cluster, Time now);

// The GpuSessions of nodes that the cluster no longer has.
std::vector<Json> Orphans(const Cluster& cluster);

// What the leader does; one thread.
class PoolWriter {
 public:
  // Both outlive it.
  PoolWriter(kube::ApiClient& client, Report& report) : client_(client), report_(report) {}

  // Writes the status of each pool where it changed, deletes sessions of nodes that are gone.
  absl::Status Step(kube::Informer::Objects pools, Time now);

 private:
  absl::Status Write(const std::string& name, const Json& status);

  kube::ApiClient& client_;
  Report& report_;
};

}  // namespace rendercar::rc_operator
