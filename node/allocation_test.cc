// Allocate requests, good and bad: what each gets, and that a refused one leaves nothing behind.
// SPDX-License-Identifier: Apache-2.0
#include "node/allocation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/share_env.h"
#include "common/temp_dir.h"
#include "node/inventory.h"

namespace rendercar::node {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

RenderNode Gpu(const std::string& id, const std::string& path) {
  RenderNode node;
  node.id = id;
  node.path = path;
  return node;
}

class AllocationTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::vector<ContainerGrant>> Allocate(const AllocationRequest& request) {
    return AllocateShares(table_, policy_, request, dirs_);
  }
  void ExpectRefused(const AllocationRequest& request, absl::StatusCode code,
                     const std::string& words) {
    const auto grants = Allocate(request);
    ASSERT_FALSE(grants.ok());
    EXPECT_EQ(grants.status().code(), code);
    EXPECT_THAT(std::string(grants.status().message()), HasSubstr(words));
    EXPECT_THAT(dirs_.List(), IsEmpty());
  }

  TempDir root_;
  SessionDirs dirs_{{.root = root_ / "sessions"}};
  ShareTable table_{{Gpu("0000-03-00.0", "/dev/dri/renderD128"),
                     Gpu("0000-41-00.0", "/dev/dri/renderD129"), SoftwareRenderNode()},
                    {.replicas = 4}};
  AllocationPolicy policy_{.resource_name = "rendercar.dev/render"};
};

TEST_F(AllocationTest, a_gpu_share_gets_its_device_directory_and_environment) {
  const auto grants = Allocate({{"0000-03-00.0-2"}});
  ASSERT_TRUE(grants.ok()) << grants.status();
  ASSERT_THAT(*grants, SizeIs(1));
  const ContainerGrant& grant = grants->front();
  const std::string place = "/var/run/rendercar/shares/0000-03-00.0-2";
  EXPECT_THAT(grant.envs, UnorderedElementsAre(Pair(share_env::kVersion, "1"),
                                               Pair(share_env::kShareIds, "0000-03-00.0-2"),
                                               Pair(share_env::kRenderNodes, "/dev/dri/renderD128"),
                                               Pair(share_env::kSessionDirs, place),
                                               Pair(share_env::kVideoMemoryBytes, "0")));
  ASSERT_THAT(grant.mounts, SizeIs(1));
  EXPECT_EQ(grant.mounts[0].container_path, place);
  EXPECT_TRUE(std::filesystem::is_directory(grant.mounts[0].host_path));
  EXPECT_FALSE(grant.mounts[0].read_only);
  ASSERT_THAT(grant.devices, SizeIs(1));
  EXPECT_EQ(grant.devices[0].host_path, "/dev/dri/renderD128");
  EXPECT_EQ(grant.devices[0].container_path, "/dev/dri/renderD128");
  EXPECT_EQ(grant.devices[0].permissions, "rw");
}

TEST_F(AllocationTest, a_software_share_needs_no_device) {
  const auto grants = Allocate({{"software-1"}});
  ASSERT_TRUE(grants.ok()) << grants.status();
  EXPECT_THAT(grants->front().devices, IsEmpty());
  EXPECT_EQ(grants->front().envs.at(share_env::kRenderNodes), "software");
}

TEST_F(AllocationTest, lists_have_one_entry_a_share) {
  const auto grants = Allocate({{"0000-03-00.0-0", "software-0"}});
  ASSERT_TRUE(grants.ok()) << grants.status();
  EXPECT_EQ(grants->front().envs.at(share_env::kRenderNodes), "/dev/dri/renderD128,software");
  EXPECT_EQ(grants->front().envs.at(share_env::kVideoMemoryBytes), "0,0");
  EXPECT_THAT(grants->front().mounts, SizeIs(2));
  EXPECT_EQ(grants->front().annotations.at("rendercar.dev/shares"), "0000-03-00.0-0,software-0");
}

TEST_F(AllocationTest, each_container_is_answered_in_its_place) {
  const auto grants = Allocate({{"software-3"}, {"0000-41-00.0-0"}});
  ASSERT_TRUE(grants.ok()) << grants.status();
  ASSERT_THAT(*grants, SizeIs(2));
  EXPECT_EQ((*grants)[0].envs.at(share_env::kShareIds), "software-3");
  EXPECT_EQ((*grants)[1].envs.at(share_env::kShareIds), "0000-41-00.0-0");
}

TEST_F(AllocationTest, the_same_share_again_gets_another_directory) {
  const auto first = Allocate({{"software-0"}});
  const auto second = Allocate({{"software-0"}});
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_NE(first->front().mounts[0].host_path, second->front().mounts[0].host_path);
}

TEST_F(AllocationTest, a_request_without_container_is_refused) {
  ExpectRefused({}, absl::StatusCode::kInvalidArgument, "no container");
}

TEST_F(AllocationTest, a_container_without_share_is_refused) {
  ExpectRefused({{"software-0"}, {}}, absl::StatusCode::kInvalidArgument, "no share");
}

TEST_F(AllocationTest, an_unknown_share_is_refused_by_name) {
  ExpectRefused({{"software-0"}, {"software-9"}}, absl::StatusCode::kNotFound, "'software-9'");
}

TEST_F(AllocationTest, a_very_long_id_is_cut_in_the_message) {
  const auto grants = Allocate({{std::string(100'000, 'x')}});
  ASSERT_FALSE(grants.ok());
  EXPECT_LT(grants.status().message().size(), 200u);
}

TEST_F(AllocationTest, an_id_twice_is_refused) {
  ExpectRefused({{"software-0"}, {"software-0"}}, absl::StatusCode::kInvalidArgument, "twice");
}

TEST_F(AllocationTest, ten_thousand_ids_are_refused) {
  ExpectRefused({std::vector<std::string>(10'000, "software-0")},
                absl::StatusCode::kInvalidArgument, "10000 shares");
}

TEST_F(AllocationTest, two_shares_of_one_node_need_permission) {
  ExpectRefused({{"software-0", "software-1"}}, absl::StatusCode::kInvalidArgument,
                "allowSameNode");
  policy_.allow_same_node = true;
  EXPECT_TRUE(Allocate({{"software-0", "software-1"}}).ok());
}

TEST_F(AllocationTest, two_shares_of_one_gpu_bring_its_device_once) {
  policy_.allow_same_node = true;
  const auto grants = Allocate({{"0000-03-00.0-0", "0000-03-00.0-1"}});
  ASSERT_TRUE(grants.ok()) << grants.status();
  EXPECT_THAT(grants->front().devices, SizeIs(1));
}

TEST_F(AllocationTest, an_unhealthy_node_is_refused_with_its_problem) {
  RenderNode broken = Gpu("0000-03-00.0", "/dev/dri/renderD128");
  broken.problem = "its driver is wedged";
  table_ = ShareTable({broken}, {.replicas = 1});
  ExpectRefused({{"0000-03-00.0-0"}}, absl::StatusCode::kUnavailable, "wedged");
}

TEST_F(AllocationTest, with_cdi_a_device_is_a_name) {
  policy_.use_cdi = true;
  const auto grants = Allocate({{"0000-03-00.0-0", "software-0"}});
  ASSERT_TRUE(grants.ok()) << grants.status();
  EXPECT_THAT(grants->front().devices, IsEmpty());
  EXPECT_THAT(grants->front().cdi_devices, ElementsAre("rendercar.dev/render=0000-03-00.0"));
}

TEST_F(AllocationTest, limits_of_video_memory_are_told) {
  table_ = ShareTable({SoftwareRenderNode()}, {.replicas = 1, .video_memory_bytes = 1 << 30});
  const auto grants = Allocate({{"software-0"}});
  ASSERT_TRUE(grants.ok()) << grants.status();
  EXPECT_EQ(grants->front().envs.at(share_env::kVideoMemoryBytes), "1073741824");
}

TEST_F(AllocationTest, limits_of_sessions_are_told) {
  policy_.limits = {{"contexts", 64}, {"renderer-time", 50}};
  const auto grants = Allocate({{"software-0"}});
  ASSERT_TRUE(grants.ok()) << grants.status();
  EXPECT_EQ(grants->front().envs.at(share_env::kLimits), "contexts=64,renderer-time=50");
}

TEST_F(AllocationTest, by_shares_a_session_gets_its_part_of_the_renderers_time) {
  policy_.time_by_shares = true;
  const auto grants = Allocate({{"0000-03-00.0-0"}, {"software-0"}});
  ASSERT_TRUE(grants.ok()) << grants.status();
  EXPECT_EQ(grants->front().envs.at(share_env::kLimits), "renderer-time=25");
  EXPECT_EQ(grants->back().envs.at(share_env::kLimits), "renderer-time=25");
}

TEST_F(AllocationTest, the_part_by_shares_never_raises_a_limit_and_is_never_nothing) {
  policy_.time_by_shares = true;
  policy_.limits = {{"renderer-time", 10}};
  EXPECT_EQ(Allocate({{"software-0"}})->front().envs.at(share_env::kLimits), "renderer-time=10");
  policy_.limits.clear();
  table_ = ShareTable({SoftwareRenderNode()}, {.replicas = 1000});
  EXPECT_EQ(Allocate({{"software-0"}})->front().envs.at(share_env::kLimits), "renderer-time=1");
}

TEST_F(AllocationTest, of_shares_of_several_nodes_the_least_part_counts) {
  policy_.time_by_shares = true;
  RenderNode large = Gpu("0000-03-00.0", "/dev/dri/renderD128");
  large.video_memory_bytes = 8;
  RenderNode small = Gpu("0000-41-00.0", "/dev/dri/renderD129");
  small.video_memory_bytes = 2;
  table_ = ShareTable({large, small}, {.video_memory_bytes = 1});
  const auto grants = Allocate({{"0000-03-00.0-0", "0000-41-00.0-0"}, {"0000-41-00.0-1"}});
  ASSERT_TRUE(grants.ok()) << grants.status();
  EXPECT_EQ(grants->front().envs.at(share_env::kLimits), "renderer-time=12");
  EXPECT_EQ(grants->back().envs.at(share_env::kLimits), "renderer-time=50");
}

TEST_F(AllocationTest, failover_brings_the_other_nodes_of_the_resource_and_software) {
  policy_.failover = {.nodes = true, .software = true};
  const auto grants = Allocate({{"0000-03-00.0-0"}});
  ASSERT_TRUE(grants.ok()) << grants.status();
  const ContainerGrant& grant = grants->front();
  EXPECT_EQ(grant.envs.at(share_env::kFailoverNodes), "/dev/dri/renderD129,software");
  ASSERT_THAT(grant.devices, SizeIs(2));
  EXPECT_EQ(grant.devices[1].host_path, "/dev/dri/renderD129");
}

TEST_F(AllocationTest, a_directory_for_upgrades_is_mounted_read_only_and_named) {
  policy_.upgrade_dir = "/var/lib/rendercar/upgrade";
  const auto grants = Allocate({{"software-0"}});
  ASSERT_TRUE(grants.ok()) << grants.status();
  const ContainerGrant& grant = grants->front();
  ASSERT_THAT(grant.mounts, SizeIs(2));
  EXPECT_EQ(grant.mounts[1].host_path, "/var/lib/rendercar/upgrade");
  EXPECT_TRUE(grant.mounts[1].read_only);
  EXPECT_EQ(grant.envs.at(share_env::kUpgradeDir), grant.mounts[1].container_path);
}

TEST_F(AllocationTest, failover_to_software_needs_no_other_device) {
  policy_.failover.software = true;
  const auto grants = Allocate({{"0000-03-00.0-0"}});
  ASSERT_TRUE(grants.ok()) << grants.status();
  EXPECT_EQ(grants->front().envs.at(share_env::kFailoverNodes), "software");
  EXPECT_THAT(grants->front().devices, SizeIs(1));
}

}  // namespace
}  // namespace rendercar::node
