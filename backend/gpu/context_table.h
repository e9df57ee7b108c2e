// The guest's rendering contexts: what a new renderer is told of them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "backend/gpu/renderer.h"

namespace rendercar::gpu {

struct Context {
  CreateContext create;
  // Its command killed a renderer: no other renderer is told of it.
  bool poisoned = false;
  std::vector<uint32_t> resources;  // attached
  // Of those, 2D resources that GL does not know yet.
  std::vector<uint32_t> not_in_gl;
};

using ContextTable = absl::flat_hash_map<uint32_t, Context>;

inline bool Contains(const std::vector<uint32_t>& ids, uint32_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace rendercar::gpu
