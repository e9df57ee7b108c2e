// Tests of how GpuSessions are kept: what is written when, what is deleted when, what is told once.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/operator/session_writer.h"

#include <gmock/gmock.h>

#include "operator-api/kube/fake_transport.h"

namespace rendercar::rc_operator {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kObject[] = "PATCH /apis/rendercar.dev/v1alpha1/namespaces/team/gpusessions/vm-gpu0";
constexpr char kStatus[] =
    "PATCH /apis/rendercar.dev/v1alpha1/namespaces/team/gpusessions/vm-gpu0/status";
constexpr char kDelete[] =
    "DELETE /apis/rendercar.dev/v1alpha1/namespaces/team/gpusessions/vm-gpu0";
constexpr char kEvent[] = "POST /apis/events.k8s.io/v1/namespaces/team/events";
constexpr char kList[] = "GET /apis/rendercar.dev/v1alpha1/gpusessions";

class SessionWriterTest : public ::testing::Test {
 protected:
  SessionWriterTest() {
    session_.session.set_name("shares/software-0/sessions/gpu0");
    session_.session.mutable_owner()->set_namespace_("team");
    session_.session.mutable_owner()->set_pod("vm");
    session_.session.set_state(v1::Session::STATE_READY);
  }

  // What was asked since the last call, without queries.
  std::vector<std::string> Asked() {
    std::vector<std::string> asked;
    for (const kube::Request& request : server_.requests)
      asked.push_back(request.method + " " + request.path.substr(0, request.path.find('?')));
    server_.requests.clear();
    return asked;
  }
  std::vector<std::string> Sync(const std::vector<NodeSession>& sessions) {
    for (int i = 0; i < 6; ++i) server_.Answer(200);
    writer_.Sync(sessions, now_);
    return Asked();
  }

  kube::FakeTransport server_;
  kube::ApiClient client_{server_, [](std::chrono::milliseconds) { return false; }};
  Report report_;
  SessionWriter writer_{client_, report_, {.node = "worker"}};
  NodeSession session_;
  Time now_{seconds(1'767'323'045)};
};

TEST_F(SessionWriterTest, WritesASessionOnceWhileNothingChanges) {
  EXPECT_THAT(Sync({session_}), ElementsAre(kList, kObject, kStatus));
  EXPECT_THAT(Sync({session_}), IsEmpty());
}

TEST_F(SessionWriterTest, WritesAStateAtOnceAndUsageOnceAMinute) {
  Sync({session_});
  session_.session.mutable_usage()->set_frames(1);
  now_ += seconds(59);
  EXPECT_THAT(Sync({session_}), IsEmpty());
  now_ += seconds(1);
  EXPECT_THAT(Sync({session_}), ElementsAre(kStatus));
  session_.session.set_frontend_connected(true);
  EXPECT_THAT(Sync({session_}), ElementsAre(kStatus));
}

TEST_F(SessionWriterTest, DeletesASessionThatWasMissingThrice) {
  Sync({session_});
  EXPECT_THAT(Sync({}), IsEmpty());
  EXPECT_THAT(Sync({}), IsEmpty());
  EXPECT_THAT(Sync({session_}), IsEmpty());
  Sync({});
  Sync({});
  EXPECT_THAT(Sync({}), ElementsAre(kDelete));
  EXPECT_THAT(Sync({}), IsEmpty());
}

TEST_F(SessionWriterTest, WritesEverythingAgainNowAndThen) {
  Sync({session_});
  now_ += seconds(300);
  EXPECT_THAT(Sync({session_}), ElementsAre(kList, kObject, kStatus));
}

TEST_F(SessionWriterTest, TellsAnEventOnceAndNoMoreThanAFewOfOneSession) {
  v1::SessionEvent& event = *session_.session.add_events();
  event.mutable_time()->set_seconds(5);
  event.set_reason("BackendReady");
  EXPECT_THAT(Sync({session_}), ElementsAre(kList, kObject, kStatus, kEvent));
  EXPECT_THAT(Sync({session_}), IsEmpty());
  size_t told = 0;
  for (int i = 0; i < 100; ++i) {
    event.mutable_time()->set_seconds(6 + i);
    for (const std::string& asked : Sync({session_})) told += asked == kEvent ? 1 : 0;
  }
  EXPECT_EQ(told, 31U);
}

TEST_F(SessionWriterTest, TriesAgainWhatFailed) {
  server_.Answer(200);
  server_.Answer(200);
  server_.Answer(403);
  writer_.Sync({session_}, now_);
  EXPECT_THAT(Asked(), ElementsAre(kList, kObject, kStatus));
  EXPECT_THAT(Sync({session_}), ElementsAre(kStatus));
}

TEST_F(SessionWriterTest, WithoutTheFirstListNothingIsDeleted) {
  server_.Answer(403);
  writer_.Sync({}, now_);
  EXPECT_THAT(Asked(), ElementsAre(kList));
}

TEST_F(SessionWriterTest, ReplacesAnObjectWhosePlaceIsAnother) {
  server_.Answer(200);
  server_.Answer(422);
  EXPECT_THAT(Sync({session_}), ElementsAre(kList, kObject, kDelete, kObject, kStatus));
}

TEST_F(SessionWriterTest, SaysOnceThatASessionIsUnknown) {
  Sync({session_});
  server_.Answer(200);
  writer_.Lost("silent", now_);
  EXPECT_THAT(Asked(), ElementsAre(kStatus));
  writer_.Lost("silent", now_ + seconds(5));
  EXPECT_THAT(Asked(), IsEmpty());
}

}  // namespace
}  // namespace rendercar::rc_operator
