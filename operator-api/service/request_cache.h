// Answers by request id, so that a client may send a change again when it did not see the answer.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/message.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "common/status.h"

namespace rendercar::api_service {

// Any thread.
class RequestCache {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;
  static constexpr std::chrono::minutes kKept{10};
  static constexpr size_t kMostKept = 1024;
  static constexpr size_t kMaxIdBytes = 64;

  explicit RequestCache(Clock clock = std::chrono::steady_clock::now) : clock_(std::move(clock)) {}

  // Calls `work`, which fills `response`, unless a call of this id and these bytes was answered
  // with success before: then gives that answer. While the first runs, the second waits. Failures
  // are not kept, so that they can be tried again. An id that came with another request is refused.
  absl::Status Once(const std::string& id, const std::string& method,
                    const google::protobuf::Message& request, google::protobuf::Message& response,
                    const std::function<absl::Status()>& work);

 private:
  struct Entry {
    std::string request;
    std::string response;
    bool done = false;
  };
  void Forget();

  const Clock clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Entry> entries_;
  std::deque<std::pair<std::chrono::steady_clock::time_point, std::string>> done_;  // oldest first
};

}  // namespace rendercar::api_service
