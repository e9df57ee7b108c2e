// Shares: what Allocate gave this container, read from its environment and from flags.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/status.h"

namespace rendercar::sidecar {

// A slice of a render node that one session may use.
struct Share {
  std::string id;                   // as the kubelet knows it
  std::string render_node;          // a device path, or share_env::kSoftwareNode
  std::string session_dir;          // for statistics pages; empty: none are kept
  uint64_t video_memory_bytes = 0;  // 0: no limit

  bool operator==(const Share&) const = default;
};

// Looks a variable up; nullptr when it is not set (::getenv's contract).
using Environment = std::function<const char*(const char* name)>;

// What flags say about shares; each wins over the environment.
struct ShareFlags {
  std::string share;
  std::string render_node;
  std::string session_dir;
  std::optional<uint64_t> video_memory_bytes;
};

// The shares that Allocate named (common/share_env.h); empty when the environment names none.
// InvalidArgument when the variables contradict each other or have an unknown version.
absl::StatusOr<std::vector<Share>> SharesFromEnvironment(const Environment& environment);

// The shares of this sidecar: with --share only that one. NotFound when Allocate gave shares but
// not that one, or when neither environment nor flags name any.
absl::StatusOr<std::vector<Share>> ResolveShares(const Environment& environment,
                                                 const ShareFlags& flags);

}  // namespace rendercar::sidecar
