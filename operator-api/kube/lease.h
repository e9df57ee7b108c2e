// Leader election by a Lease of coordination.k8s.io.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "operator-api/kube/api_client.h"

namespace rendercar::kube {

// "2026-01-02T03:04:05.000006Z".
std::string MicroTime(std::chrono::system_clock::time_point time);

// One thread.
class Elector {
 public:
  struct Options {
    std::string ns;
    std::string name;
    std::string identity;
    std::chrono::seconds duration{60};
  };
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  // `client` outlives it.
  Elector(ApiClient& client, Options options, Clock clock = std::chrono::steady_clock::now);

  // Takes or renews the lease where that is possible.
  void Step();
  // When to call Step again: a leader renews five times a duration; who waits looks less often, and
  // not all at once, since each node has one.
  std::chrono::milliseconds Pause() const;
  // Gives it back by `client`, so that another need not wait.
  void Release(ApiClient& client);
  // False as soon as the lease was not renewed for two thirds of its duration: before another takes
  // it, whatever the clocks say, since each measures from when it saw the lease change.
  bool IsLeader() const;

 private:
  absl::Status Try();
  absl::Status Take(Json lease);
  bool IsFree(const Json& lease);
  Json Spec(const Json& old) const;
  std::string Path() const;

  ApiClient& client_;
  const Options options_;
  const Clock clock_;
  bool held_ = false;
  std::chrono::steady_clock::time_point renewed_;
  // What the lease of somebody else said, and since when.
  std::string seen_;
  std::chrono::steady_clock::time_point seen_at_;
};

}  // namespace rendercar::kube
