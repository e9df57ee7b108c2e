// Ids of shares, and finding them again.
// SPDX-License-Identifier: Apache-2.0
#include "node/share.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/fake_sysfs.h"

namespace rendercar::node {
namespace {

using ::testing::SizeIs;

TEST(ShareTest, ids_are_the_nodes_id_and_a_number) {
  RenderNode gpu;
  gpu.id = "0000-03-00.0";
  const ShareTable table({gpu, SoftwareRenderNode()}, {.replicas = 3});
  ASSERT_THAT(table.shares(), SizeIs(6));
  EXPECT_EQ(table.shares()[2].id, "0000-03-00.0-2");
  EXPECT_EQ(table.shares()[3].id, "software-0");
  EXPECT_EQ(&table.NodeOf(table.shares()[3]), &table.nodes()[1]);
}

TEST(ShareTest, finds_a_share_by_its_id_only) {
  const ShareTable table({SoftwareRenderNode()}, {.replicas = 2});
  ASSERT_NE(table.Find("software-1"), nullptr);
  EXPECT_EQ(table.Find("software-1")->id, "software-1");
  EXPECT_EQ(table.Find("software-2"), nullptr);
  EXPECT_EQ(table.Find(""), nullptr);
}

struct CutCase {
  ShareSizes sizes;
  uint64_t video_memory_bytes;
  uint32_t shares;
};

TEST(ShareTest, nodes_are_cut_by_replicas_and_by_video_memory) {
  const std::vector<CutCase> cases{
      {{.replicas = 4}, 0, 4},
      {{.replicas = 4}, 1000, 4},
      {{.video_memory_bytes = 300}, 1000, 3},
      {{.replicas = 2, .video_memory_bytes = 300}, 1000, 2},
      {{.replicas = 8, .video_memory_bytes = 300}, 1000, 3},
      {{.replicas = 8, .video_memory_bytes = 300, .overcommit = true}, 1000, 8},
      {{.video_memory_bytes = 300}, 0, 1},
      {{.replicas = 8, .video_memory_bytes = 300}, 0, 8},
      {{.video_memory_bytes = 2000}, 1000, 0},
      {{.video_memory_bytes = 1}, 1'000'000, kMaxReplicas},
  };
  for (const CutCase& c : cases) {
    RenderNode node;
    node.video_memory_bytes = c.video_memory_bytes;
    EXPECT_EQ(ShareCount(c.sizes, node), c.shares)
        << c.sizes.replicas << " x " << c.sizes.video_memory_bytes << " of "
        << c.video_memory_bytes;
  }
}

TEST(ShareTest, an_even_part_of_each_node_is_the_limit_of_its_shares) {
  RenderNode small, large, silent;
  small.id = "small";
  small.video_memory_bytes = 1000;
  large.id = "large";
  large.video_memory_bytes = 8000;
  silent.id = "silent";
  const ShareTable table({small, large, silent}, {.replicas = 4, .even = true});
  EXPECT_EQ(table.Find("small-3")->video_memory_bytes, 250u);
  EXPECT_EQ(table.Find("large-0")->video_memory_bytes, 2000u);
  EXPECT_EQ(table.Find("silent-0")->video_memory_bytes, 0u);
}

TEST(ShareTest, never_more_video_memory_is_promised_than_there_is) {
  RenderNode node;
  node.id = "gpu";
  node.video_memory_bytes = 10'007;
  for (const ShareSizes& sizes : {ShareSizes{.replicas = 3, .even = true},
                                  ShareSizes{.replicas = 9, .video_memory_bytes = 2000},
                                  ShareSizes{.video_memory_bytes = 999}}) {
    uint64_t promised = 0;
    const ShareTable table({node}, sizes);
    for (const Share& share : table.shares()) promised += share.video_memory_bytes;
    EXPECT_LE(promised, node.video_memory_bytes);
    EXPECT_GT(promised, 0u);
  }
}

TEST(ShareTest, the_longest_id_fits_the_kubelets_limit) {
  FakeSysfs sysfs;
  sysfs.AddPlatform(128, std::string(200, 'x'));
  const auto nodes = ScanRenderNodes(sysfs.roots());
  ASSERT_TRUE(nodes.ok()) << nodes.status();
  const ShareTable table(*nodes, {.replicas = kMaxReplicas});
  ASSERT_THAT(table.shares(), SizeIs(kMaxReplicas));
  EXPECT_LE(table.shares().back().id.size(), kMaxShareIdBytes);
}

}  // namespace
}  // namespace rendercar::node
