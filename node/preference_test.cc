// Which shares are preferred, by placement, NUMA node and what must be included.
// SPDX-License-Identifier: Apache-2.0
#include "node/preference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rendercar::node {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

RenderNode Gpu(const std::string& id, int numa) {
  RenderNode node;
  node.id = id;
  node.numa_node = numa;
  return node;
}

class PreferenceTest : public ::testing::Test {
 protected:
  std::vector<std::string> Prefer(const std::vector<std::string>& available, int size,
                                  const std::vector<std::string>& must_include = {}) {
    const auto preferred = PreferShares(table_, policy_, available, must_include, size);
    EXPECT_TRUE(preferred.ok()) << preferred.status();
    return preferred.ok() ? *preferred : std::vector<std::string>{};
  }

  // Two GPUs on each of two NUMA nodes.
  ShareTable table_{{Gpu("a", 0), Gpu("b", 0), Gpu("c", 1), Gpu("d", 1)}, {.replicas = 3}};
  PreferencePolicy policy_;
};

TEST_F(PreferenceTest, packing_takes_from_the_fullest_node) {
  policy_.placement = Placement::kPacked;
  EXPECT_THAT(Prefer({"a-0", "a-1", "a-2", "b-2"}, 1), ElementsAre("b-2"));
}

TEST_F(PreferenceTest, spreading_takes_from_the_emptiest_node) {
  policy_.placement = Placement::kSpread;
  EXPECT_THAT(Prefer({"a-0", "b-0", "b-1"}, 1), ElementsAre("b-0"));
}

TEST_F(PreferenceTest, two_shares_come_from_two_nodes) {
  policy_.placement = Placement::kPacked;
  EXPECT_THAT(Prefer({"a-0", "a-1", "b-0", "b-1", "b-2"}, 2), UnorderedElementsAre("a-0", "b-0"));
}

TEST_F(PreferenceTest, with_leave_packing_takes_from_one_node) {
  policy_ = {Placement::kPacked, true};
  EXPECT_THAT(Prefer({"a-0", "a-1", "b-0", "b-1", "b-2"}, 2), UnorderedElementsAre("a-0", "a-1"));
}

TEST_F(PreferenceTest, shares_of_one_container_stay_on_one_numa_node) {
  EXPECT_THAT(Prefer({"a-0", "a-1", "a-2", "c-0", "d-0"}, 2), UnorderedElementsAre("c-0", "d-0"));
}

TEST_F(PreferenceTest, what_must_be_included_decides_the_numa_node) {
  EXPECT_THAT(Prefer({"b-0", "c-0", "d-0", "d-1"}, 2, {"a-2"}), ElementsAre("a-2", "b-0"));
}

TEST_F(PreferenceTest, the_last_resort_is_the_same_node) {
  EXPECT_THAT(Prefer({"a-0", "a-1"}, 2), UnorderedElementsAre("a-0", "a-1"));
}

TEST_F(PreferenceTest, unknown_ids_are_taken_last) {
  EXPECT_THAT(Prefer({"gone-0", "a-0"}, 1), ElementsAre("a-0"));
  EXPECT_THAT(Prefer({"gone-0", "a-0"}, 2), ElementsAre("a-0", "gone-0"));
}

TEST_F(PreferenceTest, an_unhealthy_node_is_avoided) {
  RenderNode broken = Gpu("a", 0);
  broken.problem = "wedged";
  table_ = ShareTable({broken, Gpu("b", 0)}, {.replicas = 3});
  EXPECT_THAT(Prefer({"a-0", "a-1", "b-2"}, 1), ElementsAre("b-2"));
}

TEST_F(PreferenceTest, more_than_available_is_refused) {
  const auto preferred = PreferShares(table_, policy_, {"a-0", "a-0"}, {}, 2);
  EXPECT_EQ(preferred.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(PreferenceTest, a_negative_size_is_refused) {
  const auto preferred = PreferShares(table_, policy_, {"a-0"}, {}, -1);
  EXPECT_EQ(preferred.status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace rendercar::node
