// Tests of the API server's client: what an answer means, what is tried again and after how long.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/kube/api_client.h"

#include <gmock/gmock.h>

#include "operator-api/kube/fake_transport.h"

namespace rendercar::kube {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::SizeIs;

class ApiClientTest : public ::testing::Test {
 protected:
  FakeTransport server_;
  std::vector<milliseconds> waits_;
  ApiClient client_{server_, [this](milliseconds time) {
                      waits_.push_back(time);
                      return true;
                    }};
};

TEST_F(ApiClientTest, WaitsAsLongAsAThrottlingServerSays) {
  server_.Answer(429, "{}", 7);
  server_.Answer(200, R"({"kind": "Node"})");
  const auto got = client_.Get("/api/v1/nodes/a");
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(Text(*got, {"kind"}), "Node");
  EXPECT_THAT(waits_, ElementsAre(milliseconds(7000)));
}

TEST_F(ApiClientTest, BacksOffWhenTheServerFailsOrIsGoneAndGivesUpAfterFourTries) {
  server_.Answer(503);
  server_.NoAnswer();
  server_.Answer(500);
  server_.Answer(502);
  EXPECT_TRUE(absl::IsUnavailable(client_.Get("/x").status()));
  EXPECT_THAT(server_.requests, SizeIs(4));
  EXPECT_THAT(waits_, ElementsAre(AllOf(Ge(milliseconds(250)), Le(milliseconds(500))),
                                  AllOf(Ge(milliseconds(500)), Le(milliseconds(1000))),
                                  AllOf(Ge(milliseconds(1000)), Le(milliseconds(2000)))));
}

TEST_F(ApiClientTest, WhatAnotherTryWouldNotChangeIsNotTriedAgain) {
  server_.Answer(403, R"({"message": "renderpools is forbidden"})");
  const auto got = client_.Get("/x");
  EXPECT_TRUE(absl::IsPermissionDenied(got.status()));
  EXPECT_THAT(std::string(got.status().message()), HasSubstr("renderpools is forbidden"));
  EXPECT_THAT(waits_, SizeIs(0));
}

TEST_F(ApiClientTest, AConflictIsNoDuplicate) {
  EXPECT_TRUE(absl::IsAborted(StatusOf({409, -1, R"({"reason": "Conflict"})"})));
  EXPECT_TRUE(absl::IsAlreadyExists(StatusOf({409, -1, R"({"reason": "AlreadyExists"})"})));
  EXPECT_TRUE(absl::IsOutOfRange(StatusOf({410, -1, "{}"})));
  EXPECT_TRUE(absl::IsInvalidArgument(StatusOf({422, -1, "no JSON"})));
  EXPECT_TRUE(StatusOf({201, -1, ""}).ok());
}

TEST_F(ApiClientTest, ListsAllPages) {
  server_.Answer(200, R"({"metadata": {"resourceVersion": "5", "continue": "abc"},
                          "items": [{"a": 1}, {"a": 2}]})");
  server_.Answer(200, R"({"metadata": {"resourceVersion": "5"}, "items": [{"a": 3}]})");
  const auto list = client_.ListAll("/apis/x", "labelSelector=k%3Dv");
  ASSERT_TRUE(list.ok());
  EXPECT_THAT(list->items, SizeIs(3));
  EXPECT_EQ(list->resource_version, "5");
  EXPECT_EQ(server_.requests[1].path, "/apis/x?limit=500&labelSelector=k%3Dv&continue=abc");
}

TEST_F(ApiClientTest, AppliesByServerSideApplyAsOneManager) {
  server_.Answer(200);
  ASSERT_TRUE(client_.Apply("/apis/x/a", {{"kind", "X"}}).ok());
  const Request& request = server_.requests.front();
  EXPECT_EQ(request.method, "PATCH");
  EXPECT_EQ(request.content_type, "application/apply-patch+yaml");
  EXPECT_EQ(request.path, "/apis/x/a?fieldManager=rendercar-operator&force=true");
}

TEST_F(ApiClientTest, DeletingWhatIsGoneIsFine) {
  server_.Answer(404);
  EXPECT_TRUE(client_.Delete("/apis/x/a").ok());
}

TEST_F(ApiClientTest, AnAnswerThatIsNoJsonIsAnError) {
  server_.Answer(200, "<html>");
  EXPECT_FALSE(client_.Get("/x").ok());
}

TEST(JsonFieldsTest, WrongTypesAndMissingFieldsGiveTheOtherwise) {
  const Json object = Parse(R"({"a": {"b": 3, "c": "x"}, "d": []})");
  EXPECT_EQ(Number(object, {"a", "b"}), 3);
  EXPECT_EQ(Number(object, {"a", "c"}, 9), 9);
  EXPECT_EQ(Text(object, {"d", "c"}, "none"), "none");
  EXPECT_TRUE(Items(object, {"a", "b"}).empty());
  EXPECT_TRUE(At(Parse("{"), {"a"}).is_null());
}

}  // namespace
}  // namespace rendercar::kube
