// What drivers tell of render nodes, and the metrics of it.
// SPDX-License-Identifier: Apache-2.0
#include "node/node_sensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/fake_sysfs.h"
#include "node/node_collector.h"

namespace rendercar::node {
namespace {

using ::testing::SizeIs;

constexpr char kDevice[] = "devices/pci0000:00/0000:03:00.0";

class NodeSensorsTest : public ::testing::Test {
 protected:
  NodeSensorsTest() { sysfs_.AddPci(128, {}); }
  std::vector<RenderNode> Nodes() { return *ScanRenderNodes(sysfs_.roots()); }
  // The family called `name`, as it is collected for `nodes`.
  static prometheus::MetricFamily Family(std::vector<RenderNode> nodes, const std::string& name) {
    auto book = std::make_shared<NodeBook>();
    book->Set(std::move(nodes));
    for (auto& family : NodeCollector(book).Collect()) {
      if (family.name == name) return family;
    }
    return {};
  }

  FakeSysfs sysfs_;
};

TEST_F(NodeSensorsTest, memory_load_and_heat_are_read_where_the_driver_tells) {
  sysfs_.Write(std::string(kDevice) + "/mem_info_vram_used", "123456");
  sysfs_.Write(std::string(kDevice) + "/gpu_busy_percent", "25");
  sysfs_.Write(std::string(kDevice) + "/hwmon/hwmon2/temp1_input", "41000");
  sysfs_.Write(std::string(kDevice) + "/hwmon/hwmon2/temp2_input", "55500");
  const Sensors sensors = ReadSensors(Nodes().front());
  EXPECT_EQ(sensors.video_memory_used_bytes, 123456u);
  EXPECT_EQ(sensors.busy_ratio, 0.25);
  EXPECT_EQ(sensors.temperature_celsius, 55.5);
}

TEST_F(NodeSensorsTest, a_driver_that_tells_nothing_gives_no_series) {
  EXPECT_THAT(Family(Nodes(), "rendercar_node_video_memory_used_bytes").metric, SizeIs(0));
  EXPECT_THAT(Family(Nodes(), "rendercar_node_temperature_celsius").metric, SizeIs(0));
}

TEST_F(NodeSensorsTest, memory_is_told_with_what_is_used_of_it) {
  sysfs_.Write(std::string(kDevice) + "/mem_info_vram_total", "1000");
  sysfs_.Write(std::string(kDevice) + "/mem_info_vram_used", "400");
  EXPECT_EQ(Family(Nodes(), "rendercar_node_video_memory_bytes").metric.at(0).gauge.value, 1000);
  EXPECT_EQ(Family(Nodes(), "rendercar_node_video_memory_used_bytes").metric.at(0).gauge.value,
            400);
}

TEST_F(NodeSensorsTest, an_unhealthy_node_tells_its_reason) {
  auto nodes = Nodes();
  EXPECT_THAT(Family(nodes, "rendercar_node_render_node_problem").metric, SizeIs(0));
  nodes.front().SetProblem(ProblemKind::kHot, "it is too hot");
  const auto family = Family(nodes, "rendercar_node_render_node_problem");
  ASSERT_THAT(family.metric, SizeIs(1));
  EXPECT_EQ(family.metric[0].label.back().value, "hot");
}

TEST_F(NodeSensorsTest, before_the_first_scan_there_is_nothing) {
  EXPECT_THAT(NodeCollector(std::make_shared<NodeBook>()).Collect(), SizeIs(5));
}

}  // namespace
}  // namespace rendercar::node
