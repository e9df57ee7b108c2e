// Filters, pages, masks, request ids, deadlines and error details, over a server made of a list.
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "operator-api/service/api_error.h"
#include "operator-api/service/fake_sessions.h"
#include "operator-api/service/request_cache.h"
#include "operator-api/service/services.h"
#include "operator-api/service/session_filter.h"
#include "operator-api/service/v1alpha1_service.h"

namespace rendercar::api_service {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

TEST_F(ServiceTest, a_mask_leaves_what_it_names_and_refuses_what_there_is_not) {
  v1::Session used = Named("a");
  used.mutable_usage()->set_commands(5);
  used.mutable_usage()->set_frames(6);
  sessions_.Put(used);
  v1::ListSessionsRequest request;
  request.mutable_read_mask()->add_paths("usage.frames");
  v1::ListSessionsResponse list;
  ASSERT_TRUE(service_.ListSessions(&context_, &request, &list).ok());
  v1::Session expected;
  expected.mutable_usage()->set_frames(6);
  EXPECT_EQ(list.sessions(0).SerializeAsString(), expected.SerializeAsString());
  request.mutable_read_mask()->add_paths("colour");
  EXPECT_EQ(ReasonOf(FromGrpcStatus(service_.ListSessions(&context_, &request, &list))),
            "FIELD_INVALID");
}

TEST_F(ServiceTest, a_mask_that_leaves_no_names_still_has_pages) {
  for (const char* name : {"a", "b", "c"}) sessions_.Put(Named(name));
  v1::ListSessionsRequest request;
  request.set_page_size(2);
  request.mutable_read_mask()->add_paths("share");
  v1::ListSessionsResponse page;
  ASSERT_TRUE(service_.ListSessions(&context_, &request, &page).ok());
  EXPECT_EQ(page.next_page_token(), "sessions/b");
  EXPECT_EQ(page.sessions(1).name(), "");
}

TEST_F(ServiceTest, the_clients_deadline_is_kept_and_there_is_one_without_it) {
  grpc::ServerBuilder builder;
  builder.RegisterService(&service_);
  const auto server = builder.BuildAndStart();
  const auto stub = v1::SessionService::NewStub(server->InProcessChannel({}));
  const auto now = std::chrono::system_clock::now();
  v1::Session session;
  grpc::ClientContext hurried;
  hurried.set_deadline(now + std::chrono::seconds(20));
  stub->GetSession(&hurried, v1::GetSessionRequest(), &session);
  EXPECT_LE(sessions_.asked_until, now + std::chrono::seconds(21));
  grpc::ClientContext patient;
  patient.set_deadline(now + std::chrono::hours(1));
  stub->GetSession(&patient, v1::GetSessionRequest(), &session);
  EXPECT_GT(sessions_.asked_until, now + std::chrono::seconds(21));
  EXPECT_LT(sessions_.asked_until, now + std::chrono::minutes(30));
  server->Shutdown();
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

}  // namespace
}  // namespace rendercar::api_service
