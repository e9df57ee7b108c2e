// Keeps a copy of a collection: lists it, watches it, lists it again where the watch is too old.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "operator-api/kube/api_client.h"

namespace rendercar::kube {

class Informer {
 public:
  // `client` outlives it. `selector`: "fieldSelector=..." or empty. `changed` is called on Run's
  // thread after the copy changed.
  Informer(ApiClient& client, std::string path, std::string selector,
           std::function<void()> changed);

  // Until the client's wait says that it is time to end.
  void Run();
  // One list, and one watch until it ends; false when there is nothing to go on with at once.
  bool Step();

  using Objects = std::map<std::string, Json>;  // by namespace/name
  // Any thread. Nothing until the first list succeeded.
  std::optional<Objects> Snapshot() const;
  // How often the collection was listed, and the last failure. Any thread.
  uint64_t lists() const;
  absl::Status last_error() const;

 private:
  absl::Status Relist();
  absl::Status Watch();
  bool OnLine(const std::string& line);
  bool OnError(const Json& status);
  void Store(const std::string& type, const Json& object);
  void Fail(const absl::Status& status);

  ApiClient& client_;
  const std::string path_;
  const std::string selector_;
  const std::function<void()> changed_;
  std::string version_;  // empty: list first
  absl::Status watch_error_;
  int failures_ = 0;

  mutable std::mutex mutex_;
  Objects objects_;
  bool synced_ = false;
  uint64_t lists_ = 0;
  absl::Status last_error_;
};

}  // namespace rendercar::kube
