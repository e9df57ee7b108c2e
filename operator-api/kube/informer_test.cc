// Tests of the copy of a collection: lists, watches, bookmarks, versions that are too old.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/kube/informer.h"

#include <gmock/gmock.h>

#include "operator-api/kube/fake_transport.h"

namespace rendercar::kube {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kListAt5[] =
    R"({"metadata": {"resourceVersion": "5"}, "items": [{"metadata": {"name": "a"}}]})";

class InformerTest : public ::testing::Test {
 protected:
  FakeTransport server_;
  ApiClient client_{server_, [](std::chrono::milliseconds) { return true; }};
  int changes_ = 0;
  Informer informer_{client_, "/apis/pools", "", [this] { ++changes_; }};
};

TEST_F(InformerTest, KnowsNothingBeforeTheFirstList) {
  EXPECT_FALSE(informer_.Snapshot());
  server_.Answer(403);
  EXPECT_FALSE(informer_.Step());
  EXPECT_FALSE(informer_.Snapshot());
  EXPECT_TRUE(absl::IsPermissionDenied(informer_.last_error()));
}

TEST_F(InformerTest, FollowsWhatIsAddedChangedAndDeleted) {
  server_.Answer(200, kListAt5);
  server_.Answer(
      200, R"({"type": "ADDED", "object": {"metadata": {"name": "b", "resourceVersion": "6"}}})"
           "\n"
           R"({"type": "MODIFIED", "object": {"metadata": {"name": "b", "resourceVersion": "7"}}})"
           "\n"
           R"({"type": "DELETED", "object": {"metadata": {"name": "a", "resourceVersion": "8"}}})"
           "\n");
  EXPECT_TRUE(informer_.Step());
  const auto copy = informer_.Snapshot();
  ASSERT_TRUE(copy);
  ASSERT_EQ(copy->size(), 1U);
  EXPECT_EQ(Text(copy->at("b"), {"metadata", "resourceVersion"}), "7");
  EXPECT_EQ(changes_, 4);
}

TEST_F(InformerTest, GoesOnAfterABookmarkWithoutListing) {
  server_.Answer(200, kListAt5);
  server_.Answer(200, R"({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "99"}}})"
                      "\n");
  server_.Answer(200, "");
  EXPECT_TRUE(informer_.Step());
  EXPECT_TRUE(informer_.Step());
  EXPECT_THAT(server_.requests.back().path, HasSubstr("resourceVersion=99"));
  EXPECT_EQ(informer_.lists(), 1U);
  EXPECT_EQ(changes_, 1);
}

TEST_F(InformerTest, ListsAnewWhereItsVersionIsTooOld) {
  for (const bool in_the_stream : {true, false}) {
    server_.Answer(200, kListAt5);
    server_.Answer(in_the_stream ? 200 : 410,
                   R"({"type": "ERROR", "object": {"code": 410, "message": "too old"}})"
                   "\n");
    EXPECT_TRUE(informer_.Step());
  }
  server_.Answer(200, kListAt5);
  server_.Answer(200, "");
  EXPECT_TRUE(informer_.Step());
  EXPECT_EQ(informer_.lists(), 3U);
}

TEST_F(InformerTest, KeepsItsCopyAndVersionWhileTheServerIsGone) {
  server_.Answer(200, kListAt5);
  server_.NoAnswer();
  EXPECT_FALSE(informer_.Step());
  ASSERT_TRUE(informer_.Snapshot());
  EXPECT_EQ(informer_.Snapshot()->count("a"), 1U);
  server_.Answer(200, "");
  EXPECT_TRUE(informer_.Step());
  EXPECT_THAT(server_.requests.back().path, HasSubstr("resourceVersion=5"));
  EXPECT_THAT(server_.requests.back().path, Not(HasSubstr("limit")));
}

TEST_F(InformerTest, ALineThatIsNoEventEndsTheWatch) {
  server_.Answer(200, kListAt5);
  server_.Answer(200, "{\"type\": \"ADDED\"}\n");
  EXPECT_FALSE(informer_.Step());
  EXPECT_EQ(informer_.Snapshot()->size(), 1U);
}

}  // namespace
}  // namespace rendercar::kube
