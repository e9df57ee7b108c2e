// What is counted when things happen.
// SPDX-License-Identifier: Apache-2.0
#include "node/node_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include "node/inventory.h"

namespace rendercar::node {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class NodeMetricsTest : public ::testing::Test {
 protected:
  std::string Text() {
    return prometheus::TextSerializer().Serialize(metrics_.registry()->Collect());
  }
  static ShareTable Software(const std::string& problem) {
    RenderNode node = SoftwareRenderNode();
    node.problem = problem;
    return ShareTable({node}, {.replicas = 3});
  }

  NodeMetrics metrics_;
};

TEST_F(NodeMetricsTest, shares_are_counted_by_state) {
  metrics_.SharesChanged("a/b", Software(""));
  EXPECT_THAT(Text(), HasSubstr("render_node=\"software\",resource=\"a/b\",state=\"healthy\"} 3"));
  metrics_.SharesChanged("a/b", Software("it is too hot"));
  EXPECT_THAT(Text(), HasSubstr("render_node=\"software\",resource=\"a/b\",state=\"healthy\"} 0"));
  EXPECT_THAT(Text(),
              HasSubstr("render_node=\"software\",resource=\"a/b\",state=\"unhealthy\"} 3"));
}

TEST_F(NodeMetricsTest, the_series_of_a_node_go_with_it) {
  metrics_.SharesChanged("a/b", Software(""));
  metrics_.SharesChanged("a/b", ShareTable());
  EXPECT_THAT(Text(), Not(HasSubstr("render_node=\"software\"")));
}

TEST_F(NodeMetricsTest, allocations_are_counted_by_result) {
  metrics_.Allocated("a/b", 2, absl::OkStatus());
  metrics_.Allocated("a/b", 1, absl::NotFoundError("no such share"));
  EXPECT_THAT(Text(), HasSubstr("allocations_total{resource=\"a/b\",result=\"ok\"} 1"));
  EXPECT_THAT(Text(), HasSubstr("allocations_total{resource=\"a/b\",result=\"NOT_FOUND\"} 1"));
  EXPECT_THAT(Text(), HasSubstr("allocated_shares_total{resource=\"a/b\"} 2"));
}

TEST_F(NodeMetricsTest, registration_is_a_gauge_that_falls) {
  metrics_.Registered("a/b");
  EXPECT_THAT(Text(), HasSubstr("rendercar_node_registered{resource=\"a/b\"} 1"));
  metrics_.RegistrationLost("a/b", "the kubelet is gone");
  EXPECT_THAT(Text(), HasSubstr("rendercar_node_registered{resource=\"a/b\"} 0"));
}

TEST_F(NodeMetricsTest, a_probed_node_tells_its_renderer_and_capsets) {
  metrics_.Probed(SoftwareRenderNode(), ProbeResult{"llvmpipe", {1, 2}});
  EXPECT_THAT(Text(),
              HasSubstr("rendercar_node_render_node_info{capsets=\"1,2\",driver=\"llvmpipe\","
                        "gl_renderer=\"llvmpipe\",render_node=\"software\"} 1"));
}

TEST_F(NodeMetricsTest, what_drivers_tell_is_counted) {
  metrics_.DriverEvent("0000:03:00.0", Report::DriverEventKind::kReset, "");
  metrics_.DriverEvent("0000:03:00.0", Report::DriverEventKind::kWedged, "rebind");
  metrics_.DriverEvent("0000:03:00.0", Report::DriverEventKind::kReset, "");
  EXPECT_THAT(
      Text(),
      HasSubstr("rendercar_node_driver_events_total{device=\"0000:03:00.0\",event=\"reset\"} 2"));
  EXPECT_THAT(Text(), HasSubstr("event=\"wedged\"} 1"));
}

TEST_F(NodeMetricsTest, a_refused_configuration_shows) {
  metrics_.ConfigRead(absl::DataLossError("node.yaml:3: no"));
  EXPECT_THAT(Text(), HasSubstr("rendercar_node_config_valid 0"));
  metrics_.ConfigRead(absl::OkStatus());
  EXPECT_THAT(Text(), HasSubstr("rendercar_node_config_valid 1"));
}

TEST_F(NodeMetricsTest, a_removed_resource_leaves_nothing_behind) {
  metrics_.SharesChanged("a/b", Software(""));
  metrics_.Registered("a/b");
  metrics_.ResourceRemoved("a/b");
  EXPECT_THAT(Text(), Not(HasSubstr("rendercar_node_registered{resource=\"a/b\"}")));
  EXPECT_THAT(Text(), Not(HasSubstr("render_node=\"software\"")));
}

}  // namespace
}  // namespace rendercar::node
