// Limits as policy and people write them.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/config/limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rendercar::sidecar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(LimitsTest, a_flag_wins_over_policy) {
  const auto flags = LimitFlags("contexts=8,renderer-time=50", {"contexts=4"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_THAT(*flags, ElementsAre("--max-contexts=4", "--max-renderer-time=50"));
}

TEST(LimitsTest, nothing_is_no_flag) { EXPECT_TRUE(LimitFlags("", {})->empty()); }

TEST(LimitsTest, an_unknown_limit_is_named_with_those_that_are_known) {
  const auto flags = LimitFlags("", {"fish=4"});
  EXPECT_THAT(std::string(flags.status().message()),
              AllOf(HasSubstr("'fish=4'"), HasSubstr("--limit"), HasSubstr("attachments")));
}

TEST(LimitsTest, failover_nodes_of_the_allocation_count_where_no_flag_names_any) {
  EXPECT_THAT(FailoverFlags("/dev/dri/renderD129,software", {}),
              ElementsAre("--failover-node=/dev/dri/renderD129", "--failover-node=software"));
  EXPECT_THAT(FailoverFlags("software", {"/dev/dri/renderD130"}),
              ElementsAre("--failover-node=/dev/dri/renderD130"));
  EXPECT_TRUE(FailoverFlags("", {}).empty());
}

TEST(LimitsTest, a_value_that_is_no_number) {
  EXPECT_FALSE(LimitFlags("contexts=many", {}).ok());
  EXPECT_FALSE(LimitFlags("contexts", {}).ok());
  EXPECT_FALSE(LimitFlags("contexts=-1", {}).ok());
}

}  // namespace
}  // namespace rendercar::sidecar
