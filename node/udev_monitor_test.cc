// Hot-plug: device events reach the agent's monitor. Runs under umockdev-wrapper, which gives it a
// machine of its own.
// SPDX-License-Identifier: Apache-2.0
#include "node/udev_monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <umockdev.h>

#include <vector>

#include "common/epoll_loop.h"
#include "node/inventory.h"

namespace rendercar::node {
namespace {

using ::testing::SizeIs;

constexpr char kGpu[] = R"(P: /devices/pci0000:00/0000:03:00.0
E: SUBSYSTEM=pci
E: DRIVER=amdgpu
A: vendor=0x1002\n
A: device=0x73bf\n
A: numa_node=1\n
L: driver=../../../bus/pci/drivers/amdgpu

P: /devices/pci0000:00/0000:03:00.0/drm/renderD128
N: dri/renderD128
E: DEVNAME=/dev/dri/renderD128
E: SUBSYSTEM=drm
L: device=../../../0000:03:00.0

)";

constexpr char kNode[] = "/sys/devices/pci0000:00/0000:03:00.0/drm/renderD128";

class UdevMonitorTest : public ::testing::Test {
 protected:
  UdevMonitorTest() : testbed_(umockdev_testbed_new()) {}
  ~UdevMonitorTest() override { g_object_unref(testbed_); }

  void AddGpu() {
    GError* error = nullptr;
    ASSERT_TRUE(umockdev_testbed_add_from_string(testbed_, kGpu, &error)) << error->message;
  }
  void Start() {
    auto monitor = UdevMonitor::Start(loop_, [this](const DrmEvent& event) {
      events_.push_back(event);
      loop_.Quit();
    });
    ASSERT_TRUE(monitor.ok()) << monitor.status();
    monitor_ = *std::move(monitor);
  }

  UMockdevTestbed* testbed_;
  EpollLoop loop_;
  std::unique_ptr<UdevMonitor> monitor_;
  std::vector<DrmEvent> events_;
};

TEST_F(UdevMonitorTest, a_plugged_gpu_is_told_and_found) {
  Start();
  AddGpu();
  umockdev_testbed_uevent(testbed_, kNode, "add");
  loop_.Run();
  ASSERT_THAT(events_, SizeIs(1));
  EXPECT_EQ(events_[0].action, "add");
  EXPECT_EQ(events_[0].name, "renderD128");
  EXPECT_EQ(events_[0].device_path, "/sys/devices/pci0000:00/0000:03:00.0");
  const auto nodes = ScanRenderNodes({});
  ASSERT_TRUE(nodes.ok()) << nodes.status();
  ASSERT_THAT(*nodes, SizeIs(1));
  EXPECT_EQ(nodes->front().id, "0000-03-00.0");
  EXPECT_EQ(nodes->front().driver, "amdgpu");
  EXPECT_EQ(nodes->front().device_path, events_[0].device_path);
}

TEST_F(UdevMonitorTest, an_unplugged_gpu_is_told) {
  AddGpu();
  Start();
  umockdev_testbed_uevent(testbed_, kNode, "remove");
  loop_.Run();
  ASSERT_THAT(events_, SizeIs(1));
  EXPECT_EQ(events_[0].action, "remove");
}

TEST_F(UdevMonitorTest, a_wedged_driver_tells_how_it_recovers) {
  AddGpu();
  Start();
  umockdev_testbed_set_property(testbed_, kNode, "WEDGED", "rebind");
  umockdev_testbed_uevent(testbed_, kNode, "change");
  loop_.Run();
  ASSERT_THAT(events_, SizeIs(1));
  EXPECT_EQ(events_[0].wedged, "rebind");
  EXPECT_FALSE(events_[0].reset);
}

TEST_F(UdevMonitorTest, a_reset_is_told) {
  AddGpu();
  Start();
  umockdev_testbed_set_property(testbed_, kNode, "RESET", "1");
  umockdev_testbed_uevent(testbed_, kNode, "change");
  loop_.Run();
  ASSERT_THAT(events_, SizeIs(1));
  EXPECT_TRUE(events_[0].reset);
  EXPECT_EQ(events_[0].wedged, "");
}

}  // namespace
}  // namespace rendercar::node
