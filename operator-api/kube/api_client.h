// Objects of the API server: get, list, create, apply, replace, delete; tries again where that
// helps.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "common/status.h"
#include "operator-api/kube/json_fields.h"
#include "operator-api/kube/transport.h"

namespace rendercar::kube {

// Waits; false when it is time to end.
using Wait = std::function<bool(std::chrono::milliseconds time)>;

// How long to wait before try `attempt` (from 1): doubling from half a second up to 30 s, some of
// it by chance so that a fleet does not come back at once.
std::chrono::milliseconds Backoff(int attempt);

// What the answer means: OK, NOT_FOUND (404), ALREADY_EXISTS or ABORTED (409: exists; conflict),
// OUT_OF_RANGE (410: too old), INVALID_ARGUMENT (400, 422), UNAUTHENTICATED, PERMISSION_DENIED,
// RESOURCE_EXHAUSTED (429), else UNAVAILABLE; with the server's own words.
absl::Status StatusOf(const Response& response);

struct List {
  std::vector<Json> items;
  std::string resource_version;
};

// One thread, as its transport.
class ApiClient {
 public:
  // Both outlive it. After 429, 5xx and lost connections a call is tried up to four times.
  ApiClient(Transport& transport, Wait wait) : transport_(transport), wait_(std::move(wait)) {}

  absl::StatusOr<Json> Get(const std::string& path);
  // All pages of a collection.
  absl::StatusOr<List> ListAll(const std::string& path, const std::string& selector = "");
  absl::StatusOr<Json> Create(const std::string& collection, const Json& object);
  // Server-side apply, taking fields over from other managers; makes the object if need be.
  absl::StatusOr<Json> Apply(const std::string& path, const Json& object);
  // ABORTED when metadata.resourceVersion is no longer the object's.
  absl::StatusOr<Json> Replace(const std::string& path, const Json& object);
  // Not there is fine.
  absl::Status Delete(const std::string& path);

  Transport& transport() { return transport_; }
  bool Pause(std::chrono::milliseconds time) { return wait_(time); }

 private:
  absl::StatusOr<Json> Call(const Request& request);

  Transport& transport_;
  const Wait wait_;
};

}  // namespace rendercar::kube
