// What RenderPools mean for one node: which select it, and the configuration file of its agent.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/status.h"
#include "operator-api/kube/informer.h"

namespace rendercar::rc_operator {

using kube::Json;

// The extended resource that `pool` offers.
std::string ResourceName(const Json& pool);

// Whether a node with these labels (metadata.labels) is one of the pool's.
bool Selects(const Json& pool, const Json& labels);

// The pools that select such a node: highest priority first, then by name. One that asks for a
// resource name which an earlier one has is left out.
std::vector<Json> PoolsOf(const kube::Informer::Objects& pools, const Json& labels);

// The agent's configuration: `base` (its text, as the chart wrote it) with the resources of
// `pools`, and what they say of the whole node (software, session owner), the first one winning.
// Without pools it is the base. Errors are those of node::ParseConfig.
absl::StatusOr<std::string> NodeConfig(const std::string& base, const std::vector<Json>& pools);

}  // namespace rendercar::rc_operator
