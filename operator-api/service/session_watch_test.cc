// What watchers are told, over changes and restarts of the server.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/service/session_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <map>

#include "operator-api/service/fake_sessions.h"

namespace rendercar::api_service {
namespace {

using ::testing::ElementsAre;
using Change = v1::WatchSessionsResponse;

// Watches until `enough`, in this thread; what was told as "ADDED sessions/a".
class Watcher {
 public:
  explicit Watcher(SessionWatch& watch) : watch_(watch) {}

  std::vector<std::string> Until(
      const std::string& last, const std::string& filter = "",
      const std::function<void()>& after_sync = [] {}) {
    told_.clear();
    v1::WatchSessionsRequest request;
    request.set_filter(filter);
    request.set_resume_token(token_);
    const auto write = [&](const Change& change) {
      token_ = change.resume_token();
      std::string line = Change::Change_Name(change.change()).substr(7);
      if (change.has_session()) line += " " + change.session().name();
      told_.push_back(line);
      if (line == "SYNCED") after_sync();
      return line != last;
    };
    EXPECT_TRUE(watch_.Run(request, write, [] { return false; }).ok());
    return told_;
  }
  void Forget() { token_.clear(); }
  void SetToken(const std::string& token) { token_ = token; }

 private:
  SessionWatch& watch_;
  std::string token_;
  std::vector<std::string> told_;
};

class WatchTest : public testing::Test {
 protected:
  FakeSessions sessions_;
  SessionWatch watch_{[this] { return sessions_.List({}); }, std::chrono::milliseconds(1)};
  Watcher watcher_{watch_};
};

TEST_F(WatchTest, tells_everything_then_what_changes) {
  sessions_.Put(Named("a"));
  const auto told = watcher_.Until("DELETED sessions/a", "", [&] {
    sessions_.Put(Named("b"));
    sessions_.Remove("a");
  });
  EXPECT_EQ(told[0], "ADDED sessions/a");
  EXPECT_EQ(told[1], "SYNCED");
  EXPECT_EQ(told.back(), "DELETED sessions/a");
}

TEST_F(WatchTest, a_token_gives_what_happened_meanwhile) {
  sessions_.Put(Named("a"));
  sessions_.Put(Named("b"));
  watcher_.Until("SYNCED");
  sessions_.Remove("a");
  v1::Session changed = Named("b");
  changed.set_frontend_connected(true);
  sessions_.Put(changed);
  sessions_.Put(Named("c"));
  EXPECT_THAT(watcher_.Until("SYNCED"), ElementsAre("DELETED sessions/a", "MODIFIED sessions/b",
                                                    "ADDED sessions/c", "SYNCED"));
}

TEST_F(WatchTest, a_token_of_another_server_gives_everything_after_a_reset) {
  sessions_.Put(Named("a"));
  watcher_.SetToken("abc-7");
  EXPECT_THAT(watcher_.Until("SYNCED"), ElementsAre("RESET", "ADDED sessions/a", "SYNCED"));
}

TEST_F(WatchTest, numbers_that_change_all_the_time_are_no_change) {
  sessions_.Put(Named("a"));
  watcher_.Until("SYNCED");
  v1::Session busy = Named("a");
  busy.mutable_usage()->set_commands(5);
  sessions_.Put(busy);
  EXPECT_THAT(watcher_.Until("SYNCED"), ElementsAre("SYNCED"));
}

TEST_F(WatchTest, a_session_that_no_longer_matches_is_deleted_for_the_watcher) {
  sessions_.Put(Named("a"));
  const auto told = watcher_.Until("DELETED sessions/a", "state=ready", [&] {
    v1::Session stopping = Named("a");
    stopping.set_state(v1::Session::STATE_STOPPING);
    sessions_.Put(stopping);
  });
  EXPECT_THAT(told, ElementsAre("ADDED sessions/a", "SYNCED", "DELETED sessions/a"));
}

TEST_F(WatchTest, stop_ends_who_watches) {
  std::promise<void> synced;
  auto run = std::async(std::launch::async, [&] {
    return watch_.Run(
        {},
        [&](const Change& change) {
          if (change.change() == Change::CHANGE_SYNCED) synced.set_value();
          return true;
        },
        [] { return false; });
  });
  synced.get_future().wait();
  watch_.Stop();
  EXPECT_EQ(run.get().code(), absl::StatusCode::kUnavailable);
}

// What a client believes that applies every change.
class Believer {
 public:
  // Until everything that there was is told.
  void Watch(SessionWatch& watch) {
    v1::WatchSessionsRequest request;
    request.set_resume_token(token_);
    const auto apply = [this](const Change& change) {
      token_ = change.resume_token();
      if (change.change() == Change::CHANGE_RESET) believed_.clear();
      if (change.change() == Change::CHANGE_DELETED) {
        believed_.erase(change.session().name());
      } else if (change.has_session()) {
        believed_[change.session().name()] = change.session().share();
      }
      return change.change() != Change::CHANGE_SYNCED;
    };
    EXPECT_TRUE(watch.Run(request, apply, [] { return false; }).ok());
  }
  const std::map<std::string, std::string>& believed() const { return believed_; }

 private:
  std::string token_;
  std::map<std::string, std::string> believed_;
};

TEST(WatchRestartTest, a_thousand_sessions_are_watched_without_loss_over_restarts) {
  FakeSessions sessions;
  std::map<std::string, std::string> truth;
  const auto put = [&](int number, const std::string& share) {
    v1::Session session = Named(absl::StrCat("s", number));
    session.set_share(share);
    truth[session.name()] = share;
    sessions.Put(session);
  };
  for (int i = 0; i < 1000; ++i) put(i, "first");
  Believer client;
  for (int round = 1; round <= 5; ++round) {
    SessionWatch server([&] { return sessions.List({}); }, std::chrono::milliseconds(1));
    client.Watch(server);  // with the token of the server before
    EXPECT_EQ(client.believed(), truth);
    for (int i = round; i < 1000; i += 7) put(i, absl::StrCat("changed ", round));
    for (int i = 10 * round; i < 10 * round + 5; ++i) {
      sessions.Remove(absl::StrCat("s", i));
      truth.erase(absl::StrCat("sessions/s", i));
    }
    client.Watch(server);  // with a token of this one
    EXPECT_EQ(client.believed(), truth);
    put(1000 + round, "new, while no server runs");
  }
}

TEST_F(WatchTest, a_thousand_sessions_are_all_told) {
  for (int i = 0; i < 1000; ++i) sessions_.Put(Named(absl::StrCat("s", i)));
  EXPECT_EQ(watcher_.Until("SYNCED").size(), 1001u);
}

}  // namespace
}  // namespace rendercar::api_service
