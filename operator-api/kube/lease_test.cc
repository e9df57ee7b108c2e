// Tests of leader election: who may take the lease, when, and how it is lost.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/kube/lease.h"

#include <gmock/gmock.h>

#include "operator-api/kube/fake_transport.h"

namespace rendercar::kube {
namespace {

using std::chrono::seconds;

std::string LeaseOf(const std::string& holder, const std::string& renewed) {
  return Dump({{"metadata", {{"name", "lead"}, {"resourceVersion", "3"}}},
               {"spec",
                {{"holderIdentity", holder},
                 {"leaseDurationSeconds", 60},
                 {"leaseTransitions", 4},
                 {"renewTime", renewed}}}});
}

class ElectorTest : public ::testing::Test {
 protected:
  Json Sent() { return Parse(server_.requests.back().body); }

  FakeTransport server_;
  ApiClient client_{server_, [](std::chrono::milliseconds) { return false; }};
  std::chrono::steady_clock::time_point now_;
  Elector elector_{
      client_, {.ns = "system", .name = "lead", .identity = "me"}, [this] { return now_; }};
};

TEST_F(ElectorTest, MakesTheLeaseWhereThereIsNone) {
  server_.Answer(404);
  server_.Answer(201);
  elector_.Step();
  EXPECT_TRUE(elector_.IsLeader());
  EXPECT_EQ(server_.requests.back().method, "POST");
  EXPECT_EQ(Text(Sent(), {"spec", "holderIdentity"}), "me");
}

TEST_F(ElectorTest, LeavesTheLeaseOfAnotherAloneUntilItWasNotRenewedForItsDuration) {
  for (int i = 0; i < 3; ++i) {
    server_.Answer(200, LeaseOf("other", "then"));
    elector_.Step();
    EXPECT_FALSE(elector_.IsLeader());
    now_ += seconds(30);
  }
  server_.Answer(200, LeaseOf("other", "then"));
  server_.Answer(200);
  elector_.Step();
  EXPECT_TRUE(elector_.IsLeader());
  EXPECT_EQ(Number(Sent(), {"spec", "leaseTransitions"}), 5);
  EXPECT_EQ(Text(Sent(), {"metadata", "resourceVersion"}), "3");
}

TEST_F(ElectorTest, ARenewedLeaseIsNotTaken) {
  for (int i = 0; i < 5; ++i) {
    server_.Answer(200, LeaseOf("other", std::to_string(i)));
    elector_.Step();
    now_ += seconds(45);
  }
  EXPECT_FALSE(elector_.IsLeader());
}

TEST_F(ElectorTest, WhoIsSlowerIsNotTheLeader) {
  server_.Answer(200, LeaseOf("", "then"));
  server_.Answer(409, R"({"reason": "Conflict"})");
  elector_.Step();
  EXPECT_FALSE(elector_.IsLeader());
}

TEST_F(ElectorTest, ALeaderThatCannotRenewStopsBeforeAnotherStarts) {
  server_.Answer(200, LeaseOf("me", "then"));
  server_.Answer(200);
  elector_.Step();
  EXPECT_EQ(Number(Sent(), {"spec", "leaseTransitions"}), 4);
  now_ += seconds(39);
  elector_.Step();
  EXPECT_TRUE(elector_.IsLeader());
  now_ += seconds(1);
  elector_.Step();
  EXPECT_FALSE(elector_.IsLeader());
}

TEST_F(ElectorTest, GivesTheLeaseBack) {
  server_.Answer(200, LeaseOf("", ""));
  server_.Answer(200);
  elector_.Step();
  server_.Answer(200, LeaseOf("me", "now"));
  server_.Answer(200);
  elector_.Release(client_);
  EXPECT_FALSE(elector_.IsLeader());
  EXPECT_EQ(Text(Sent(), {"spec", "holderIdentity"}, "?"), "");
}

TEST(MicroTimeTest, HasSixDigits) {
  EXPECT_EQ(MicroTime(std::chrono::system_clock::time_point(std::chrono::microseconds(1'000'005))),
            "1970-01-01T00:00:01.000005Z");
}

}  // namespace
}  // namespace rendercar::kube
