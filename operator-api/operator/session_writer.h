// Keeps the GpuSessions of one node as its agent tells of its sessions.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "operator-api/kube/api_client.h"
#include "operator-api/operator/report.h"
#include "operator-api/operator/session_objects.h"

namespace rendercar::rc_operator {

// One thread. What fails is tried again at the next call.
class SessionWriter {
 public:
  struct Options {
    std::string node;
    // How often a status is written of which only the usage changed.
    std::chrono::seconds usage_interval{60};
    // How often everything is written again, whatever is thought to be there.
    std::chrono::seconds resync_interval{300};
  };

  // Both outlive it.
  SessionWriter(kube::ApiClient& client, Report& report, Options options)
      : client_(client), report_(report), options_(std::move(options)) {}

  // Makes, changes and deletes GpuSessions until they are `sessions`; those without a pod are left
  // out, since they have no namespace.
  void Sync(const std::vector<NodeSession>& sessions, Time now);
  // Says of all that they are not known: the agent does not answer.
  void Lost(const std::string& why, Time now);

 private:
  // One GpuSession as it was written last.
  struct Written {
    Json object;  // null: to be written again
    Json status;
    std::string uid;
    Time usage_written;
    Time last_event;
    bool wanted = false;
    int missed = 0;  // how often in a row it was not among the sessions
    int events = 0;  // told since the last resync
  };
  using Key = std::pair<std::string, std::string>;  // namespace, name

  absl::Status Load(Time now);
  void Adopt(const Json& object);
  absl::Status Write(const Key& key, const NodeSession& session, Time now);
  absl::Status WriteObject(const Key& key, const Json& object, Written& written);
  absl::Status WriteStatus(const Key& key, Json status, Written& written, Time now);
  absl::Status TellEvents(const Key& key, const v1::Session& session, Written& written);
  // Those that were missing thrice: a sidecar that is slow once loses nothing.
  void DeleteUnwanted();
  bool IsWorthWriting(const Written& written, const Json& status, Time now) const;
  absl::Status Note(const char* what, absl::Status status);

  kube::ApiClient& client_;
  Report& report_;
  const Options options_;
  std::map<Key, Written> written_;
  Time loaded_;  // the epoch: not yet
};

}  // namespace rendercar::rc_operator
