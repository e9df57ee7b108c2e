// What libdrm adds to the inventory.
// SPDX-License-Identifier: Apache-2.0
#include "node/drm_devices.h"

#include <gtest/gtest.h>

namespace rendercar::node {
namespace {

RenderNode Node(const std::string& id, const std::string& path) {
  RenderNode node;
  node.id = id;
  node.path = path;
  return node;
}

TEST(DrmDevicesTest, a_node_that_sysfs_does_not_show_is_added_under_its_bus_address) {
  std::vector<RenderNode> nodes;
  AddDrmDevices({{"/dev/dri/renderD128", "0000:03:00.0", 0x1002, 0x744c}}, nodes);
  ASSERT_EQ(nodes.size(), 1u);
  EXPECT_EQ(nodes[0].id, "0000-03-00.0");
  EXPECT_EQ(nodes[0].pci_vendor, 0x1002);
}

TEST(DrmDevicesTest, a_node_that_both_show_stays_one_and_keeps_its_id) {
  std::vector<RenderNode> nodes{Node("platform-gpu", "/dev/dri/renderD128")};
  AddDrmDevices({{"/dev/dri/renderD128", "0000:03:00.0", 0x1002, 0x744c}}, nodes);
  ASSERT_EQ(nodes.size(), 1u);
  EXPECT_EQ(nodes[0].id, "platform-gpu");
  EXPECT_EQ(nodes[0].pci_address, "0000:03:00.0");
}

TEST(DrmDevicesTest, a_node_off_the_pci_bus_is_named_by_its_file) {
  std::vector<RenderNode> nodes;
  AddDrmDevices({{"/dev/dri/renderD130", "", 0, 0}}, nodes);
  ASSERT_EQ(nodes.size(), 1u);
  EXPECT_EQ(nodes[0].id, "renderD130");
}

TEST(DrmDevicesTest, a_machine_without_drm_lists_nothing_and_does_not_fail) {
  for (const DrmDevice& device : ListDrmDevices()) EXPECT_FALSE(device.path.empty());
}

}  // namespace
}  // namespace rendercar::node
