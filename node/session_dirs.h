// The private host directory of each allocation, where the session's statistics come back.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace rendercar::node {

// Layout: ROOT/SHARE ID/TIME-RANDOM. A pod sees only its own last component, mounted, and no pod
// ever gets a directory that another one had. What pods write there is hostile.
//
// Kubelets call Allocate for a share's init container and then for the container that inherits it,
// before either starts, and never say when a pod has gone. So an older directory of a share is
// removed only when a newer one is at least `kGrace` younger; until then both exist. Used on the
// loop only.
class SessionDirs {
 public:
  using Clock = std::function<std::chrono::system_clock::time_point()>;
  static constexpr std::chrono::minutes kGrace{10};
  // Directories of one share beyond which the oldest go whatever their age.
  static constexpr size_t kMaxPerShare = 64;
  // Files removed in one call of Collect, so that a pod that left millions stalls nobody.
  static constexpr size_t kRemovalsAtOnce = 1000;

  // Who may write: with no owner anybody who has the directory mounted may create files there (mode
  // 2733), with one only that uid (2770). Files belong to this process's group, which can so read
  // them without privilege.
  struct Options {
    std::string root;
    std::optional<uid_t> owner;
  };
  explicit SessionDirs(Options options, Clock clock = std::chrono::system_clock::now);

  void SetOwner(std::optional<uid_t> owner) { options_.owner = owner; }

  // A fresh directory for `share_id`. Errors name the path and what to do.
  absl::StatusOr<std::string> Make(std::string_view share_id);
  // Undoes Make, for an allocation that failed later.
  void Discard(const std::string& directory);
  // Removes what is outlived; true when more waits for the next call.
  bool Collect();

  // The newest directory of each share that has one.
  struct Current {
    std::string share_id;
    std::string directory;
  };
  std::vector<Current> List() const;

 private:
  absl::Status PrepareRoot() const;
  std::string NewName();

  Options options_;
  const Clock clock_;
  // Names sort by age even when two are made in one millisecond.
  std::chrono::milliseconds last_{0};
};

}  // namespace rendercar::node
