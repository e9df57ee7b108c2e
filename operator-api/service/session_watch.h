// What changed among sessions, for any number of watchers: lists are compared while somebody
// watches.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/status.h"
#include "operator-api/service/session_filter.h"
#include "rendercar/v1/session_service.pb.h"

namespace rendercar::api_service {

// Any thread.
class SessionWatch {
 public:
  using Lister = std::function<absl::StatusOr<std::vector<v1::Session>>()>;
  static constexpr std::chrono::milliseconds kPeriod{250};
  static constexpr size_t kMostWatchers = 8;
  static constexpr size_t kMostDeleted = 4096;  // remembered; who slept longer is told everything

  explicit SessionWatch(Lister lister, std::chrono::milliseconds period = kPeriod);
  ~SessionWatch();

  // Writes changes until `write` returns false or `cancelled` true (looked at about once a period).
  absl::Status Run(const v1::WatchSessionsRequest& request,
                   const std::function<bool(const v1::WatchSessionsResponse&)>& write,
                   const std::function<bool()>& cancelled);
  // Ends every Run.
  void Stop();

 private:
  struct Entry {
    v1::Session session;
    std::string fingerprint;  // without what changes all the time
    uint64_t created = 0;     // revisions
    uint64_t changed = 0;
  };
  struct Deleted {
    std::string name;
    uint64_t revision;
  };
  class Stream;

  void Poll();
  void Compare(std::vector<v1::Session> sessions);
  std::optional<uint64_t> Revision(const std::string& token) const;
  std::string Token(uint64_t revision) const;

  const Lister lister_;
  const std::chrono::milliseconds period_;
  const std::string epoch_;  // tokens of another start of the server have another
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Entry> entries_;
  std::deque<Deleted> deleted_;  // oldest first
  uint64_t forgotten_ = 0;       // the newest revision of a deletion that is not in deleted_
  uint64_t revision_ = 0;
  uint64_t polls_begun_ = 0;
  uint64_t compared_ = 0;  // the poll whose list was compared last
  size_t watchers_ = 0;
  bool stopping_ = false;
  std::thread poller_;
};

}  // namespace rendercar::api_service
