// What the inventory reads out of sysfs trees.
// SPDX-License-Identifier: Apache-2.0
#include "node/inventory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/fake_sysfs.h"

namespace rendercar::node {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(InventoryTest, a_machine_without_drm_has_no_nodes) {
  const TempDir empty;
  const auto nodes = ScanRenderNodes({empty / "sys", empty / "dev"});
  ASSERT_TRUE(nodes.ok()) << nodes.status();
  EXPECT_THAT(*nodes, IsEmpty());
}

TEST(InventoryTest, a_pci_gpu_is_known_by_its_bus_address) {
  FakeSysfs sysfs;
  sysfs.AddPci(129, {"0000:03:00.0", "amdgpu", "0x1002", "0x73bf", "1"});
  sysfs.Write("devices/pci0000:00/0000:03:00.0/mem_info_vram_total", "17163091968");
  const auto nodes = ScanRenderNodes(sysfs.roots());
  ASSERT_TRUE(nodes.ok()) << nodes.status();
  ASSERT_THAT(*nodes, SizeIs(1));
  const RenderNode& node = nodes->front();
  EXPECT_EQ(node.id, "0000-03-00.0");
  EXPECT_EQ(node.path, "/dev/dri/renderD129");
  EXPECT_EQ(node.driver, "amdgpu");
  EXPECT_EQ(node.pci_address, "0000:03:00.0");
  EXPECT_EQ(node.pci_vendor, 0x1002);
  EXPECT_EQ(node.pci_device, 0x73bf);
  EXPECT_EQ(node.numa_node, 1);
  EXPECT_EQ(node.video_memory_bytes, 17163091968u);
  EXPECT_TRUE(node.healthy()) << node.problem;
}

TEST(InventoryTest, a_virtio_gpu_is_known_by_the_pci_function_above_it) {
  FakeSysfs sysfs;
  sysfs.AddVirtio(128, "0000:00:05.0");
  const auto nodes = ScanRenderNodes(sysfs.roots());
  ASSERT_TRUE(nodes.ok()) << nodes.status();
  ASSERT_THAT(*nodes, SizeIs(1));
  EXPECT_EQ(nodes->front().id, "0000-00-05.0");
  EXPECT_EQ(nodes->front().driver, "virtio_gpu");
  EXPECT_EQ(nodes->front().pci_vendor, 0x1af4);
}

TEST(InventoryTest, a_device_without_a_bus_address_is_known_by_its_name) {
  FakeSysfs sysfs;
  sysfs.AddPlatform(128, "vgem");
  const auto nodes = ScanRenderNodes(sysfs.roots());
  ASSERT_TRUE(nodes.ok()) << nodes.status();
  ASSERT_THAT(*nodes, SizeIs(1));
  EXPECT_EQ(nodes->front().id, "platform-vgem");
  EXPECT_EQ(nodes->front().driver, "vgem");
  EXPECT_EQ(nodes->front().numa_node, -1);
}

TEST(InventoryTest, ids_stay_when_render_numbers_change) {
  FakeSysfs first;
  first.AddPci(128, {"0000:03:00.0"});
  first.AddPci(129, {"0000:41:00.0"});
  FakeSysfs second;
  second.AddPci(129, {"0000:03:00.0"});
  second.AddPci(128, {"0000:41:00.0"});
  const auto before = ScanRenderNodes(first.roots());
  const auto after = ScanRenderNodes(second.roots());
  ASSERT_TRUE(before.ok() && after.ok());
  const auto ids =
      ElementsAre(Field(&RenderNode::id, "0000-03-00.0"), Field(&RenderNode::id, "0000-41-00.0"));
  EXPECT_THAT(*before, ids);
  EXPECT_THAT(*after, ids);
}

TEST(InventoryTest, a_node_without_device_file_is_listed_with_its_problem) {
  FakeSysfs sysfs;
  sysfs.AddPci(128, {});
  sysfs.RemoveDeviceFile(128);
  const auto nodes = ScanRenderNodes(sysfs.roots());
  ASSERT_TRUE(nodes.ok()) << nodes.status();
  ASSERT_THAT(*nodes, SizeIs(1));
  EXPECT_THAT(nodes->front().problem, HasSubstr("renderD128"));
}

TEST(InventoryTest, a_garbled_number_counts_as_not_told) {
  FakeSysfs sysfs;
  sysfs.AddPci(128, {"0000:03:00.0", "amdgpu", "what", "", "x"});
  const auto nodes = ScanRenderNodes(sysfs.roots());
  ASSERT_TRUE(nodes.ok()) << nodes.status();
  ASSERT_THAT(*nodes, SizeIs(1));
  EXPECT_EQ(nodes->front().pci_vendor, 0);
  EXPECT_EQ(nodes->front().numa_node, -1);
}

}  // namespace
}  // namespace rendercar::node
