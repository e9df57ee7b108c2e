// Shares from the environment and from flags, and what is said about wrong ones.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/config/share.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "common/share_env.h"

namespace rendercar::sidecar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Variables = std::map<std::string, std::string>;

Environment Fake(const Variables& variables) {
  return [variables](const char* name) {
    static thread_local std::string value;
    const auto found = variables.find(name);
    if (found == variables.end()) return static_cast<const char*>(nullptr);
    value = found->second;
    return value.c_str();
  };
}

Variables TwoShares() {
  return {{share_env::kVersion, "1"},
          {share_env::kShareIds, "0000-03-00.0-2,software-0"},
          {share_env::kRenderNodes, "/dev/dri/renderD128,software"},
          {share_env::kSessionDirs, "/shares/a,/shares/b"},
          {share_env::kVideoMemoryBytes, "1048576,0"}};
}

TEST(ShareTest, reads_what_allocate_wrote) {
  const auto shares = ResolveShares(Fake(TwoShares()), {});
  ASSERT_TRUE(shares.ok()) << shares.status();
  EXPECT_THAT(*shares,
              ElementsAre(Share{"0000-03-00.0-2", "/dev/dri/renderD128", "/shares/a", 1048576},
                          Share{"software-0", "software", "/shares/b", 0}));
}

TEST(ShareTest, share_flag_picks_one_of_them) {
  const auto shares = ResolveShares(Fake(TwoShares()), {.share = "software-0"});
  ASSERT_TRUE(shares.ok()) << shares.status();
  EXPECT_THAT(*shares, ElementsAre(Share{"software-0", "software", "/shares/b", 0}));
}

TEST(ShareTest, a_share_that_does_not_exist_is_named_beside_those_that_do) {
  const auto shares = ResolveShares(Fake(TwoShares()), {.share = "software-7"});
  EXPECT_EQ(shares.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(shares.status().message(),
            "share 'software-7' does not exist here; Allocate gave 0000-03-00.0-2, software-0; "
            "name one of these with --share, or none");
}

TEST(ShareTest, without_environment_and_flags_the_remedy_is_told) {
  const auto shares = ResolveShares(Fake({}), {});
  EXPECT_EQ(shares.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(shares.status().message(), HasSubstr("request rendercar.dev/render"));
}

TEST(ShareTest, by_hand_the_software_node_is_the_default) {
  const auto shares = ResolveShares(Fake({}), {.share = "hand-0", .session_dir = "/tmp/x"});
  ASSERT_TRUE(shares.ok()) << shares.status();
  EXPECT_THAT(*shares, ElementsAre(Share{"hand-0", "software", "/tmp/x", 0}));
}

TEST(ShareTest, lists_of_different_lengths_are_refused) {
  Variables variables = TwoShares();
  variables[share_env::kSessionDirs] = "/shares/a";
  const auto shares = ResolveShares(Fake(variables), {});
  EXPECT_EQ(shares.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(shares.status().message(),
              HasSubstr("RENDERCAR_SESSION_DIRS has 1 entries but RENDERCAR_SHARE_IDS has 2"));
}

TEST(ShareTest, an_unknown_version_is_refused) {
  Variables variables = TwoShares();
  variables[share_env::kVersion] = "2";
  EXPECT_THAT(ResolveShares(Fake(variables), {}).status().message(),
              HasSubstr("update the sidecar's image"));
}

TEST(ShareTest, a_limit_that_is_no_number_is_refused) {
  Variables variables = TwoShares();
  variables[share_env::kVideoMemoryBytes] = "1G,0";
  EXPECT_THAT(ResolveShares(Fake(variables), {}).status().message(), HasSubstr("'1G'"));
}

TEST(ShareTest, a_share_named_twice_is_refused) {
  Variables variables = TwoShares();
  variables[share_env::kShareIds] = "software-0,software-0";
  EXPECT_THAT(ResolveShares(Fake(variables), {}).status().message(), HasSubstr("twice"));
}

TEST(ShareTest, a_share_id_that_could_be_a_path_is_refused) {
  EXPECT_EQ(ResolveShares(Fake({}), {.share = "../x"}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(ShareTest, one_render_node_for_two_shares_is_refused) {
  const auto shares = ResolveShares(Fake(TwoShares()), {.render_node = "software"});
  EXPECT_THAT(shares.status().message(), HasSubstr("name the share with --share"));
}

}  // namespace
}  // namespace rendercar::sidecar
