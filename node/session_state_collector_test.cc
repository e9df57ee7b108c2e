// What a scrape shows of sessions as their sidecars tell.
// SPDX-License-Identifier: Apache-2.0
#include "node/session_state_collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace rendercar::node {
namespace {

using ::testing::HasSubstr;

TEST(SessionStateCollectorTest, names_the_vm_and_the_state) {
  v1::Session session;
  session.set_name("shares/software-0/sessions/gpu0");
  session.set_share("software-0");
  session.set_state(v1::Session::STATE_BACKING_OFF);
  session.set_backend_restarts(3);
  session.mutable_owner()->set_namespace_("team-a");
  session.mutable_owner()->set_pod("vm-1");
  session.mutable_display()->set_mode(v1::DISPLAY_MODE_HEADLESS);
  const SessionStateCollector collector([&] { return std::vector{session}; });
  const std::string text = prometheus::TextSerializer().Serialize(collector.Collect());
  const std::string labels =
      "{namespace=\"team-a\",pod=\"vm-1\",vm=\"\",render_node=\"software\",share=\"software-0\","
      "session=\"gpu0\"";
  EXPECT_THAT(text, HasSubstr("rendercar_session_up" + labels + "} 0\n"));
  EXPECT_THAT(text, HasSubstr("rendercar_session_state" + labels + ",state=\"backing_off\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("rendercar_backend_restarts_total" + labels + "} 3\n"));
  EXPECT_THAT(text, HasSubstr("display=\"headless\"} 1\n"));
}

TEST(SessionStateCollectorTest, no_sidecar_is_no_series) {
  const SessionStateCollector collector([] { return std::vector<v1::Session>(); });
  EXPECT_EQ(
      prometheus::TextSerializer().Serialize(collector.Collect()).find("rendercar_session_up{"),
      std::string::npos);
}

}  // namespace
}  // namespace rendercar::node
