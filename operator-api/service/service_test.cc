// Filters, pages, request ids, watches and error details, over a server made of a list.
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "operator-api/service/api_error.h"
#include "operator-api/service/request_cache.h"
#include "operator-api/service/services.h"
#include "operator-api/service/session_filter.h"
#include "operator-api/service/v1alpha1_service.h"

namespace rendercar::api_service {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Change = v1::WatchSessionsResponse;

v1::Session Named(const std::string& name) {
  v1::Session session;
  session.set_name("sessions/" + name);
  session.set_state(v1::Session::STATE_READY);
  session.set_share("share-" + name);
  return session;
}

class FakeSessions : public SessionApi {
 public:
  absl::StatusOr<std::vector<v1::Session>> List(Deadline) override {
    const std::lock_guard lock(mutex_);
    std::vector<v1::Session> all;
    for (const auto& [name, session] : sessions_) all.push_back(session);
    return all;
  }
  absl::StatusOr<v1::Session> Get(const std::string& name, Deadline) override {
    return WithReason(absl::NotFoundError("no session"), "SESSION_NOT_FOUND", {{"session", name}});
  }
  absl::StatusOr<v1::Session> Create(const v1::CreateSessionRequest& request, Deadline) override {
    ++creations;
    Put(Named(request.session_id()));
    return Named(request.session_id());
  }
  absl::Status Delete(const v1::DeleteSessionRequest&, Deadline) override {
    return absl::UnavailableError("not now");
  }
  absl::StatusOr<v1::Session> Update(const v1::UpdateSessionRequest&, Deadline) override {
    return BadField("update_mask", "is empty");
  }
  absl::StatusOr<v1::Session> RestartRenderer(const v1::RestartRendererRequest&,
                                              Deadline) override {
    return Named("a");
  }
  absl::StatusOr<v1::Session> Upgrade(const v1::UpgradeSessionRequest&, Deadline) override {
    ++upgrades;
    return Named("a");
  }
  absl::StatusOr<v1::DeviceDefinition> Define(const v1::GetDeviceDefinitionRequest&,
                                              Deadline) override {
    return v1::DeviceDefinition();
  }
  absl::StatusOr<Screenshot> Capture(const v1::CaptureScreenshotRequest&, Deadline) override {
    return absl::FailedPreconditionError("nothing is shown");
  }

  void Put(const v1::Session& session) {
    const std::lock_guard lock(mutex_);
    sessions_[session.name()] = session;
  }
  void Remove(const std::string& name) {
    const std::lock_guard lock(mutex_);
    sessions_.erase("sessions/" + name);
  }
  int creations = 0;
  int upgrades = 0;

 private:
  std::mutex mutex_;
  std::map<std::string, v1::Session> sessions_;
};

google::rpc::Status Details(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

TEST(ApiError, carries_reason_domain_and_metadata) {
  const grpc::Status status = ToGrpcStatus(
      WithReason(absl::NotFoundError("no"), "SESSION_NOT_FOUND", {{"session", "gpu0"}}));
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(Details(status).details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "SESSION_NOT_FOUND");
  EXPECT_EQ(info.domain(), "rendercar.dev");
  EXPECT_EQ(info.metadata().at("session"), "gpu0");
  EXPECT_EQ(ReasonOf(FromGrpcStatus(status)), "SESSION_NOT_FOUND");
}

TEST(ApiError, names_the_wrong_field) {
  const google::rpc::Status details = Details(ToGrpcStatus(BadField("page_size", "is negative")));
  google::rpc::BadRequest bad;
  ASSERT_TRUE(details.details(1).UnpackTo(&bad));
  EXPECT_EQ(bad.field_violations(0).field(), "page_size");
}

TEST(ApiError, says_when_to_try_again) {
  const google::rpc::Status details = Details(ToGrpcStatus(absl::UnavailableError("not now")));
  google::rpc::RetryInfo retry;
  ASSERT_TRUE(details.details(1).UnpackTo(&retry));
  EXPECT_GT(retry.retry_delay().seconds(), 0);
}

TEST(SessionFilterTest, compares_fields_joined_by_and) {
  const auto filter = SessionFilter::Parse("state=ready AND share!=\"share-b\"");
  ASSERT_TRUE(filter.ok()) << filter.status();
  EXPECT_TRUE(filter->Matches(Named("a")));
  EXPECT_FALSE(filter->Matches(Named("b")));
}

TEST(SessionFilterTest, says_what_is_wrong) {
  EXPECT_THAT(SessionFilter::Parse("colour=red").status().message(),
              HasSubstr("no field 'colour'"));
  EXPECT_THAT(SessionFilter::Parse("state=asleep").status().message(), HasSubstr("'asleep'"));
  EXPECT_THAT(SessionFilter::Parse("connected=maybe").status().message(),
              HasSubstr("true or false"));
  EXPECT_THAT(SessionFilter::Parse("ready").status().message(), HasSubstr("FIELD=VALUE"));
  EXPECT_FALSE(SessionFilter::Parse("=x").ok());
  EXPECT_FALSE(SessionFilter::Parse(std::string(2000, 'a')).ok());
}

class ServiceTest : public testing::Test {
 protected:
  FakeSessions sessions_;
  SessionService service_{sessions_};
  grpc::ServerContext context_;
};

TEST_F(ServiceTest, pages_show_each_session_once) {
  for (const char* name : {"a", "b", "c", "d", "e"}) sessions_.Put(Named(name));
  v1::ListSessionsRequest request;
  request.set_page_size(2);
  std::vector<std::string> seen;
  do {
    v1::ListSessionsResponse page;
    ASSERT_TRUE(service_.ListSessions(&context_, &request, &page).ok());
    for (const auto& session : page.sessions()) seen.push_back(session.share());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(seen, ElementsAre("share-a", "share-b", "share-c", "share-d", "share-e"));
}

TEST_F(ServiceTest, a_negative_page_is_refused) {
  v1::ListSessionsRequest request;
  request.set_page_size(-1);
  v1::ListSessionsResponse page;
  EXPECT_EQ(service_.ListSessions(&context_, &request, &page).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ServiceTest, a_repeated_upgrade_is_done_once) {
  v1::UpgradeSessionRequest request;
  request.set_name("sessions/a");
  request.set_request_id("once");
  for (int i = 0; i < 2; ++i) {
    v1::Session session;
    EXPECT_TRUE(service_.UpgradeSession(&context_, &request, &session).ok());
    EXPECT_EQ(session.name(), "sessions/a");
  }
  EXPECT_EQ(sessions_.upgrades, 1);
}

TEST_F(ServiceTest, a_repeated_request_id_does_nothing_again) {
  v1::CreateSessionRequest request;
  request.set_session_id("x");
  request.set_request_id("once");
  v1::Session first;
  v1::Session second;
  ASSERT_TRUE(service_.CreateSession(&context_, &request, &first).ok());
  ASSERT_TRUE(service_.CreateSession(&context_, &request, &second).ok());
  EXPECT_EQ(sessions_.creations, 1);
  EXPECT_EQ(second.name(), first.name());
  request.set_session_id("y");
  EXPECT_EQ(ReasonOf(FromGrpcStatus(service_.CreateSession(&context_, &request, &second))),
            "REQUEST_ID_REUSED");
}

class FakeInventory : public InventoryApi {
 public:
  absl::StatusOr<v1::ServerInfo> Info(Deadline) override {
    v1::ServerInfo info;
    info.set_component("sidecar");
    info.add_preflight()->set_reason("MemoryNotShared");
    return info;
  }
  absl::StatusOr<std::vector<v1::RenderNode>> RenderNodes(Deadline) override {
    return std::vector<v1::RenderNode>();
  }
  absl::StatusOr<std::vector<v1::Share>> Shares(Deadline) override {
    return std::vector<v1::Share>();
  }
  absl::StatusOr<v1::ServerInfo> Drain(const v1::DrainRequest&, Deadline) override {
    return v1::ServerInfo();
  }
};

class V1alpha1Test : public ServiceTest {
 protected:
  FakeInventory inventory_;
  InventoryService inventory_service_{inventory_};
  V1alpha1Service old_{service_, inventory_service_};
};

TEST_F(V1alpha1Test, old_clients_get_the_fields_that_they_know) {
  v1alpha1::CreateSessionRequest request;
  request.set_session_id("x");
  v1alpha1::Session session;
  ASSERT_TRUE(old_.CreateSession(&context_, &request, &session).ok());
  EXPECT_EQ(session.name(), "sessions/x");
  EXPECT_EQ(session.state(), v1alpha1::Session::STATE_READY);
}

TEST_F(V1alpha1Test, what_is_newer_is_left_out) {
  v1::Session used = Named("x");
  used.mutable_usage()->set_commands(5);
  sessions_.Put(used);
  const v1alpha1::ListSessionsRequest request;
  v1alpha1::ListSessionsResponse list;
  ASSERT_TRUE(old_.ListSessions(&context_, &request, &list).ok());
  EXPECT_TRUE(list.sessions(0).GetReflection()->GetUnknownFields(list.sessions(0)).empty());
}

TEST_F(V1alpha1Test, server_information_has_its_preflight) {
  const v1alpha1::GetServerInfoRequest request;
  v1alpha1::ServerInfo info;
  ASSERT_TRUE(old_.GetServerInfo(&context_, &request, &info).ok());
  EXPECT_EQ(info.preflight(0).reason(), "MemoryNotShared");
}

TEST_F(V1alpha1Test, a_page_has_at_most_a_hundred) {
  for (int i = 0; i < 150; ++i) sessions_.Put(Named(absl::StrCat("s", i)));
  v1alpha1::ListSessionsRequest request;
  v1alpha1::ListSessionsResponse list;
  ASSERT_TRUE(old_.ListSessions(&context_, &request, &list).ok());
  EXPECT_EQ(list.sessions_size(), 100);
}

TEST(RequestCacheTest, failures_may_be_tried_again_and_old_answers_are_forgotten) {
  auto now = std::chrono::steady_clock::time_point{};
  RequestCache cache([&] { return now; });
  v1::Session request;
  v1::Session response;
  int calls = 0;
  const auto fail = [&] {
    ++calls;
    return absl::UnavailableError("no");
  };
  const auto work = [&] {
    ++calls;
    return absl::OkStatus();
  };
  EXPECT_FALSE(cache.Once("id", "M", request, response, fail).ok());
  EXPECT_TRUE(cache.Once("id", "M", request, response, work).ok());
  EXPECT_TRUE(cache.Once("id", "M", request, response, work).ok());
  EXPECT_EQ(calls, 2);
  now += RequestCache::kKept + std::chrono::seconds(1);
  EXPECT_TRUE(cache.Once("id", "M", request, response, work).ok());
  EXPECT_EQ(calls, 3);
}

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

TEST_F(WatchTest, a_thousand_sessions_are_all_told) {
  for (int i = 0; i < 1000; ++i) sessions_.Put(Named(absl::StrCat("s", i)));
  EXPECT_EQ(watcher_.Until("SYNCED").size(), 1001u);
}

}  // namespace
}  // namespace rendercar::api_service
