// Answers by request id.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/service/request_cache.h"

#include "operator-api/service/api_error.h"

namespace rendercar::api_service {

// Only what is done: an entry whose work runs is waited for.
void RequestCache::Forget() {
  const auto until = clock_() - kKept;
  while (!done_.empty() && (done_.front().first < until || done_.size() > kMostKept)) {
    entries_.erase(done_.front().second);
    done_.pop_front();
  }
}

absl::Status RequestCache::Once(const std::string& id, const std::string& method,
                                const google::protobuf::Message& request,
                                google::protobuf::Message& response,
                                const std::function<absl::Status()>& work) {
  if (id.empty()) return work();
  if (id.size() > kMaxIdBytes)
    return BadField("request_id", absl::StrCat("is longer than ", kMaxIdBytes, " bytes"));
  const std::string bytes = absl::StrCat(method, "\n", request.SerializeAsString());
  std::unique_lock lock(mutex_);
  Forget();
  for (;;) {
    const auto [entry, fresh] = entries_.try_emplace(id, Entry{bytes, "", false});
    if (entry->second.request != bytes) {
      return WithReason(absl::InvalidArgumentError(absl::StrCat(
                            "request_id '", id,
                            "' came with another request before; use a fresh one for each change")),
                        "REQUEST_ID_REUSED", {{"request_id", id}});
    }
    if (fresh) break;
    if (entry->second.done) {
      response.ParseFromString(entry->second.response);
      return absl::OkStatus();
    }
    changed_.wait(lock);
  }
  lock.unlock();
  absl::Status status = work();
  lock.lock();
  if (status.ok()) {
    Entry& entry = entries_.at(id);
    entry.response = response.SerializeAsString();
    entry.done = true;
    done_.emplace_back(clock_(), id);
  } else {
    entries_.erase(id);
  }
  changed_.notify_all();
  return status;
}

}  // namespace rendercar::api_service
