// Tests of sessions as Kubernetes objects: names, status, conditions, events; what pods tell is
// hostile.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/operator/session_objects.h"

#include <gmock/gmock.h>

#include <limits>

namespace rendercar::rc_operator {
namespace {

using kube::At;
using kube::Text;

const Time kNow{std::chrono::seconds(1'767'323'045)};

v1::Session SessionOf(const std::string& pod) {
  v1::Session session;
  session.set_name("shares/software-0/sessions/gpu0");
  session.mutable_owner()->set_namespace_("team");
  session.mutable_owner()->set_pod(pod);
  session.set_state(v1::Session::STATE_READY);
  return session;
}

TEST(SessionObjectsTest, ANameIsThePodAndTheSessionAndFits) {
  EXPECT_EQ(NameOf(SessionOf("vm")), "vm-gpu0");
  const std::string longest = NameOf(SessionOf(std::string(253, 'a')));
  EXPECT_EQ(longest.size(), 253U);
  EXPECT_NE(longest, NameOf(SessionOf(std::string(252, 'a') + "b")));
  EXPECT_EQ(NodeLabel("worker-1"), "worker-1");
  EXPECT_EQ(NodeLabel(std::string(253, 'n')).size(), 63U);
}

TEST(SessionObjectsTest, AConditionKeepsItsTimeUntilItChanges) {
  const Json first = Condition("Ready", true, "Ready", "well", Json(), kNow);
  const Json old{{"conditions", {first}}};
  const Time later = kNow + std::chrono::hours(1);
  EXPECT_EQ(Condition("Ready", true, "Other", "m", old, later)["lastTransitionTime"],
            "2026-01-02T03:04:05Z");
  EXPECT_EQ(Condition("Ready", false, "Down", "m", old, later)["lastTransitionTime"],
            "2026-01-02T04:04:05Z");
}

TEST(SessionObjectsTest, UsageAloneIsNoReasonToWriteAtOnce) {
  v1::Session session = SessionOf("vm");
  const Json before = GpuSessionStatus(session, Json(), kNow);
  session.mutable_usage()->set_frames(5);
  session.mutable_usage()->set_resource_bytes(1);
  const Json after = GpuSessionStatus(session, before, kNow);
  EXPECT_NE(before, after);
  EXPECT_EQ(WithoutUsage(before), WithoutUsage(after));
  EXPECT_EQ(Text(after, {"videoMemory", "used"}), "1Mi");
}

TEST(SessionObjectsTest, WhatAPodTellsIsBounded) {
  v1::Session session = SessionOf("vm");
  session.set_state(v1::Session::STATE_BACKING_OFF);
  session.set_state_message(std::string(9000, 'x'));
  session.set_render_node(std::string(9000, 'x'));
  session.mutable_usage()->set_commands(std::numeric_limits<uint64_t>::max());
  session.mutable_usage()->set_resource_bytes(std::numeric_limits<uint64_t>::max());
  for (int i = 0; i < 40; ++i) {
    v1::SessionEvent& event = *session.add_events();
    event.mutable_time()->set_seconds(std::numeric_limits<int64_t>::max());
    event.mutable_time()->set_nanos(-5);
    event.set_reason(std::string(9000, 'r'));
    event.set_message("\xc3\xa4\xc3");
  }
  const Json status = GpuSessionStatus(session, Json(), kNow);
  EXPECT_EQ(Text(status, {"message"}).size(), 1024U);
  EXPECT_EQ(Text(status, {"renderNode"}).size(), 253U);
  EXPECT_EQ(kube::Number(status, {"usage", "commands"}), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(status["recentEvents"].size(), 16U);
  EXPECT_EQ(Text(status["recentEvents"][0], {"time"}), "2255-03-14T16:00:00Z");
  EXPECT_FALSE(kube::Dump(status).empty());
}

TEST(SessionObjectsTest, TheSameEventHasTheSameNameAndAnotherAnother) {
  const Regarding about{"GpuSession", "team", "vm-gpu0", "uid"};
  const auto name = [&](const std::string& reason, Time time) {
    return Text(Event(about, "worker", reason, "note", time), {"metadata", "name"});
  };
  EXPECT_EQ(name("A", kNow), name("A", kNow));
  EXPECT_NE(name("A", kNow), name("B", kNow));
  EXPECT_NE(name("A", kNow), name("A", kNow + std::chrono::microseconds(1)));
}

TEST(SessionObjectsTest, AnEventIsAWarningUnlessItIsUsual) {
  const Regarding pool{"RenderPool", "", "p", ""};
  const Json event = Event(pool, "worker", "RendererDied", std::string(2000, 'n'), kNow);
  EXPECT_EQ(Text(event, {"type"}), "Warning");
  EXPECT_EQ(Text(event, {"metadata", "namespace"}), "default");
  EXPECT_EQ(Text(event, {"note"}).size(), 1024U);
  EXPECT_EQ(Text(event, {"eventTime"}), "2026-01-02T03:04:05.000000Z");
  EXPECT_EQ(Text(Event(pool, "worker", "BackendReady", "", kNow), {"type"}), "Normal");
  EXPECT_EQ(Text(Event(pool, "worker", "", "", kNow), {"reason"}), "Unnamed");
}

TEST(SessionObjectsTest, AnUnknownStatusKeepsTheTimeSinceWhenItIsUnknown) {
  const Json known = GpuSessionStatus(SessionOf("vm"), Json(), kNow);
  const Json first = UnknownStatus(known, "silent", kNow + std::chrono::hours(1));
  EXPECT_EQ(UnknownStatus(first, "silent", kNow + std::chrono::hours(2)), first);
  EXPECT_EQ(first["conditions"][0]["status"], "Unknown");
  EXPECT_EQ(first["conditions"][0]["lastTransitionTime"], "2026-01-02T04:04:05Z");
}

}  // namespace
}  // namespace rendercar::rc_operator
