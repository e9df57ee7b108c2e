// What changed among sessions, for any number of watchers.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/service/session_watch.h"

#include <absl/strings/numbers.h>

#include <set>

#include "operator-api/service/api_error.h"

namespace rendercar::api_service {
namespace {

using Response = v1::WatchSessionsResponse;

std::string NewEpoch() {
  return absl::StrCat(absl::Hex(std::chrono::system_clock::now().time_since_epoch().count()));
}

std::string Fingerprint(const v1::Session& session) {
  v1::Session steady = session;
  steady.clear_usage();
  return steady.SerializeAsString();
}

}  // namespace

// One watcher: what it was told, and what it is to be told next.
class SessionWatch::Stream {
 public:
  Stream(SessionWatch& watch, SessionFilter filter, std::optional<uint64_t> since)
      : watch_(watch), filter_(std::move(filter)), seen_(since.value_or(0)) {}

  // With the lock held: what happened since the last call.
  std::vector<Response> Take() {
    std::vector<Response> responses;
    for (const Deleted& deleted : watch_.deleted_) {
      if (deleted.revision <= seen_ || watch_.entries_.count(deleted.name) != 0) continue;
      known_.erase(deleted.name);
      responses.push_back(Gone(deleted.name));
    }
    for (const auto& [name, entry] : watch_.entries_) {
      if (entry.changed > seen_) TakeEntry(name, entry, responses);
    }
    seen_ = watch_.revision_;
    return responses;
  }
  uint64_t seen() const { return seen_; }

 private:
  static Response Gone(const std::string& name) {
    Response response;
    response.set_change(Response::CHANGE_DELETED);
    response.mutable_session()->set_name(name);
    return response;
  }
  void TakeEntry(const std::string& name, const Entry& entry, std::vector<Response>& responses) {
    if (!filter_.Matches(entry.session)) {
      // Also one that a client knows from an earlier watch.
      if (known_.erase(name) != 0 || entry.created <= seen_) responses.push_back(Gone(name));
      return;
    }
    const bool fresh = known_.insert(name).second && entry.created > seen_;
    Response response;
    response.set_change(fresh ? Response::CHANGE_ADDED : Response::CHANGE_MODIFIED);
    *response.mutable_session() = entry.session;
    responses.push_back(std::move(response));
  }

  SessionWatch& watch_;
  const SessionFilter filter_;
  uint64_t seen_;
  std::set<std::string> known_;
};

SessionWatch::SessionWatch(Lister lister, std::chrono::milliseconds period)
    : lister_(std::move(lister)), period_(period), epoch_(NewEpoch()) {}

SessionWatch::~SessionWatch() { Stop(); }

void SessionWatch::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (poller_.joinable()) poller_.join();
}

void SessionWatch::Compare(std::vector<v1::Session> sessions) {
  std::set<std::string> names;
  for (v1::Session& session : sessions) {
    names.insert(session.name());
    Entry& entry = entries_[session.name()];
    std::string fingerprint = Fingerprint(session);
    if (entry.changed == 0 || entry.fingerprint != fingerprint) {
      entry.changed = ++revision_;
      if (entry.created == 0) entry.created = entry.changed;
      entry.fingerprint = std::move(fingerprint);
    }
    entry.session = std::move(session);
  }
  for (auto it = entries_.begin(); it != entries_.end();) {
    if (names.count(it->first) != 0) {
      ++it;
      continue;
    }
    deleted_.push_back({it->first, ++revision_});
    it = entries_.erase(it);
  }
  for (; deleted_.size() > kMostDeleted; deleted_.pop_front())
    forgotten_ = deleted_.front().revision;
}

void SessionWatch::Poll() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (watchers_ == 0) {
      changed_.wait(lock);
      continue;
    }
    const uint64_t poll = ++polls_begun_;
    lock.unlock();
    auto sessions = lister_();
    lock.lock();
    if (sessions.ok()) {
      Compare(*std::move(sessions));
      compared_ = poll;
      changed_.notify_all();
    }
    changed_.wait_for(lock, period_, [this] { return stopping_; });
  }
}

std::string SessionWatch::Token(uint64_t revision) const {
  return absl::StrCat(epoch_, "-", revision);
}

std::optional<uint64_t> SessionWatch::Revision(const std::string& token) const {
  uint64_t revision = 0;
  if (token.rfind(epoch_ + "-", 0) != 0 ||
      !absl::SimpleAtoi(token.substr(epoch_.size() + 1), &revision) || revision > revision_ ||
      revision < forgotten_)
    return std::nullopt;
  return revision;
}

absl::Status SessionWatch::Run(const v1::WatchSessionsRequest& request,
                               const std::function<bool(const Response&)>& write,
                               const std::function<bool()>& cancelled) {
  RC_ASSIGN_OR_RETURN(SessionFilter filter, SessionFilter::Parse(request.filter()));
  std::unique_lock lock(mutex_);
  if (watchers_ >= kMostWatchers) {
    return WithReason(
        absl::ResourceExhaustedError(absl::StrCat(kMostWatchers, " clients watch already")),
        "TOO_MANY_WATCHERS");
  }
  ++watchers_;
  if (!poller_.joinable()) poller_ = std::thread([this] { Poll(); });
  changed_.notify_all();
  // What is known may be old, also what a list that has begun already will say.
  for (const uint64_t fresh = polls_begun_ + 1; compared_ < fresh && !stopping_ && !cancelled();)
    changed_.wait_for(lock, period_);
  const std::optional<uint64_t> since = Revision(request.resume_token());
  Stream stream(*this, std::move(filter), since);
  bool going = true;
  bool synced = false;
  const auto send = [&](Response response, uint64_t revision) {
    response.set_resume_token(Token(revision));
    lock.unlock();
    going = going && write(response);
    lock.lock();
  };
  if (!since && !request.resume_token().empty()) {
    Response reset;
    reset.set_change(Response::CHANGE_RESET);
    send(std::move(reset), 0);
  }
  while (going && !stopping_ && !cancelled()) {
    // Who is cut off in the middle goes on from before, and is told some of it twice.
    const uint64_t before = stream.seen();
    std::vector<Response> responses = stream.Take();
    for (size_t i = 0; i < responses.size() && going; ++i)
      send(std::move(responses[i]), i + 1 < responses.size() ? before : stream.seen());
    if (!synced) {
      Response done;
      done.set_change(Response::CHANGE_SYNCED);
      send(std::move(done), stream.seen());
      synced = true;
    }
    if (stream.seen() == revision_) changed_.wait_for(lock, period_);
  }
  --watchers_;
  return stopping_ ? absl::UnavailableError("the server ends; watch again with the last token")
                   : absl::OkStatus();
}

}  // namespace rendercar::api_service
