// Which nodes a resource takes.
// SPDX-License-Identifier: Apache-2.0
#include "node/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rendercar::node {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::SizeIs;

RenderNode Amd() {
  RenderNode node;
  node.id = "0000-03-00.0";
  node.pci_address = "0000:03:00.0";
  node.driver = "amdgpu";
  node.pci_vendor = 0x1002;
  node.pci_device = 0x73bf;
  node.video_memory_bytes = 16ULL << 30;
  return node;
}

TEST(ConfigTest, the_software_node_is_for_machines_without_another) {
  Config config;
  EXPECT_THAT(ApplyConfig({}, config), SizeIs(1));
  EXPECT_THAT(ApplyConfig({Amd()}, config), SizeIs(1));
  config.software = SoftwareMode::kAlways;
  EXPECT_THAT(ApplyConfig({Amd()}, config), SizeIs(2));
  config.software = SoftwareMode::kNever;
  EXPECT_THAT(ApplyConfig({}, config), IsEmpty());
}

TEST(ConfigTest, a_drained_node_has_that_as_its_problem) {
  Config config;
  config.drain = {"0000:03:00.0"};
  const auto nodes = ApplyConfig({Amd()}, config);
  EXPECT_THAT(nodes.front().problem, ::testing::HasSubstr("drained"));
}

struct SelectCase {
  NodeSelector selector;
  bool all;
  bool any;
};

TEST(ConfigTest, selectors_speak_of_driver_id_address_memory_and_kind) {
  const std::vector<SelectCase> cases{
      {{}, true, false},
      {{.drivers = {"amdgpu"}}, true, true},
      {{.drivers = {"i915"}}, false, false},
      {{.pci_ids = {"1002:73bf"}}, true, true},
      {{.pci_ids = {"1002:*"}}, true, true},
      {{.pci_ids = {"1002:0001"}}, false, false},
      {{.addresses = {"0000:03:00.0"}}, true, true},
      {{.addresses = {"0000-03-00.0"}}, true, true},
      {{.min_video_memory_bytes = 16ULL << 30}, true, true},
      {{.min_video_memory_bytes = 17ULL << 30}, false, false},
      {{.max_video_memory_bytes = 8ULL << 30}, false, false},
      {{.software = false}, true, true},
      {{.drivers = {"amdgpu"}, .pci_ids = {"1:1"}}, false, true},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(MatchesAll(cases[i].selector, Amd()), cases[i].all) << "case " << i;
    EXPECT_EQ(MatchesAny(cases[i].selector, Amd()), cases[i].any) << "case " << i;
  }
}

TEST(ConfigTest, a_node_belongs_to_the_first_resource_that_takes_it) {
  Config config;
  config.resources = {ResourceConfig{.name = "a/amd", .select = {.drivers = {"amdgpu"}}},
                      ResourceConfig{.name = "a/rest"}};
  const std::vector<RenderNode> nodes{Amd(), SoftwareRenderNode()};
  EXPECT_THAT(NodesOf(config, 0, nodes), ElementsAre(Field(&RenderNode::id, "0000-03-00.0")));
  EXPECT_THAT(NodesOf(config, 1, nodes), ElementsAre(Field(&RenderNode::id, "software")));
}

TEST(ConfigTest, a_denied_node_is_taken_by_none) {
  Config config;
  config.resources.front().deny.pci_ids = {"1002:*"};
  EXPECT_THAT(NodesOf(config, 0, {Amd()}), IsEmpty());
}

}  // namespace
}  // namespace rendercar::node
