// What makes a render node unhealthy, and that it recovers.
// SPDX-License-Identifier: Apache-2.0
#include "node/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "node/fake_sysfs.h"

namespace rendercar::node {
namespace {

using ::testing::HasSubstr;

constexpr char kDevice[] = "devices/pci0000:00/0000:03:00.0";

class HealthTest : public ::testing::Test {
 protected:
  HealthTest() { sysfs_.AddPci(128, {}); }
  // The only node's problem as it is now.
  std::string Problem() {
    auto nodes = ScanRenderNodes(sysfs_.roots());
    EXPECT_TRUE(nodes.ok()) << nodes.status();
    monitor_.Check(*nodes);
    return nodes->empty() ? "no node" : nodes->front().problem;
  }
  void SetTemperature(const std::string& milli_celsius) {
    sysfs_.Write(std::string(kDevice) + "/hwmon/hwmon3/temp1_input", milli_celsius);
    sysfs_.Write(std::string(kDevice) + "/hwmon/hwmon3/temp1_crit", "100000");
  }

  FakeSysfs sysfs_;
  HealthMonitor monitor_{sysfs_.roots()};
};

TEST_F(HealthTest, an_ordinary_node_is_healthy) { EXPECT_EQ(Problem(), ""); }

TEST_F(HealthTest, the_software_node_is_healthy) {
  std::vector<RenderNode> nodes{SoftwareRenderNode()};
  monitor_.Check(nodes);
  EXPECT_TRUE(nodes.front().healthy());
}

TEST_F(HealthTest, a_missing_device_file_is_a_problem_until_it_is_back) {
  sysfs_.RemoveDeviceFile(128);
  EXPECT_THAT(Problem(), HasSubstr("cannot be seen"));
  sysfs_.AddDeviceFile(128);
  EXPECT_EQ(Problem(), "");
}

TEST_F(HealthTest, a_device_that_does_not_open_is_a_problem) {
  sysfs_.RemoveDeviceFile(128);
  sysfs_.AddDeviceDirectory(128);
  EXPECT_THAT(Problem(), HasSubstr("cannot be opened: Is a directory"));
}

TEST_F(HealthTest, heat_is_a_problem_until_it_is_well_cooler) {
  SetTemperature("99000");
  EXPECT_EQ(Problem(), "");
  SetTemperature("101000");
  EXPECT_EQ(Problem(), "it is too hot: 101 °C, critical is 100 °C");
  SetTemperature("97000");
  EXPECT_THAT(Problem(), HasSubstr("too hot"));
  SetTemperature("94000");
  EXPECT_EQ(Problem(), "");
}

TEST_F(HealthTest, a_wedged_driver_is_a_problem_until_it_recovers) {
  const auto nodes = ScanRenderNodes(sysfs_.roots());
  monitor_.Wedged(nodes->front().device_path, "rebind");
  EXPECT_EQ(Problem(), "its driver is wedged and needs rebind");
  monitor_.Recovered(nodes->front().device_path);
  EXPECT_EQ(Problem(), "");
}

TEST_F(HealthTest, a_node_that_went_and_came_back_is_not_wedged) {
  const auto nodes = ScanRenderNodes(sysfs_.roots());
  monitor_.Wedged(nodes->front().device_path, "rebind");
  sysfs_.Remove(128);
  EXPECT_EQ(Problem(), "no node");
  sysfs_.Restore(128, kDevice);
  EXPECT_EQ(Problem(), "");
}

TEST_F(HealthTest, a_wedged_driver_is_known_to_the_next_process_until_it_is_bound_anew) {
  const TempDir dir;
  std::ofstream(dir / "boot") << "one\n";
  const WedgeNote note(dir / "wedged", dir / "boot");
  const std::string device = ScanRenderNodes(sysfs_.roots())->front().device_path;
  const auto next = [&](const WedgeNote& read) {
    auto nodes = ScanRenderNodes(sysfs_.roots());
    HealthMonitor(sysfs_.roots(), read).Check(*nodes);
    return nodes->front().problem;
  };
  HealthMonitor(sysfs_.roots(), note).Wedged(device, "rebind,bus-reset");
  EXPECT_EQ(next(note), "its driver is wedged and needs rebind,bus-reset");
  std::ofstream(dir / "boot") << "two\n";
  EXPECT_EQ(next(WedgeNote(dir / "wedged", dir / "boot")), "") << "the machine was restarted";
  std::filesystem::rename(device + "/drm", device + "/old");
  std::filesystem::copy(
      device + "/old", device + "/drm",
      std::filesystem::copy_options::recursive | std::filesystem::copy_options::copy_symlinks);
  EXPECT_EQ(next(note), "") << "the driver was bound anew";
}

TEST_F(HealthTest, a_recovery_is_known_to_the_next_process_too) {
  const TempDir dir;
  const std::string device = ScanRenderNodes(sysfs_.roots())->front().device_path;
  HealthMonitor first(sysfs_.roots(), WedgeNote(dir / "wedged"));
  first.Wedged(device, "rebind");
  EXPECT_TRUE(std::filesystem::exists(dir / "wedged"));
  first.Recovered(device);
  EXPECT_FALSE(std::filesystem::exists(dir / "wedged"));
}

TEST_F(HealthTest, a_garbled_note_says_nothing) {
  const TempDir dir;
  std::ofstream(dir / "boot") << "one\n";
  for (const char* text : {"", "one", "one\n", "one\nx y z\n", "one\n5", "one\n5 /nonexistent\n"}) {
    std::ofstream(dir / "wedged", std::ios::trunc) << text;
    EXPECT_TRUE(WedgeNote(dir / "wedged", dir / "boot").Read().empty()) << text;
  }
}

TEST_F(HealthTest, deaths_of_renderers_of_several_pods_are_a_problem) {
  monitor_.crashes().SetLimit({.crashes = 2, .pods = 2});
  monitor_.crashes().Observe({});
  monitor_.crashes().Observe(
      {{"0000-03-00.0-0", "vm", "ns/a", 1, 1}, {"0000-03-00.0-1", "vm", "ns/b", 1, 1}});
  EXPECT_THAT(Problem(), HasSubstr("renderers of 2 pods died"));
}

TEST_F(HealthTest, the_kind_of_a_problem_is_told_beside_its_sentence) {
  auto nodes = ScanRenderNodes(sysfs_.roots());
  monitor_.Wedged(nodes->front().device_path, "rebind");
  monitor_.Check(*nodes);
  EXPECT_EQ(nodes->front().problem_kind, ProblemKind::kWedged);
}

TEST_F(HealthTest, a_device_that_fell_off_the_bus_is_a_problem) {
  sysfs_.Write(std::string(kDevice) + "/config", "\xff\xff");
  EXPECT_THAT(Problem(), HasSubstr("PCI bus"));
  sysfs_.Write(std::string(kDevice) + "/config", "\x02\x10");
  EXPECT_EQ(Problem(), "");
}

}  // namespace
}  // namespace rendercar::node
