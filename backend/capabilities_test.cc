// What libvirt is told of an installation: a feature too many, and it starts no VM.
// SPDX-License-Identifier: Apache-2.0
#include "backend/capabilities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "backend/backend_options.h"
#include "common/temp_dir.h"

namespace rendercar::backend {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class CapabilitiesTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directory(dir_ / "dri"); }
  std::vector<std::string> Features(const std::string& renderer) {
    const auto json = nlohmann::json::parse(CapabilitiesJson(renderer, dir_ / "dri"));
    EXPECT_EQ(json["type"], "gpu");
    return json["features"];
  }
  const TempDir dir_;
};

TEST_F(CapabilitiesTest, a_render_node_is_told_only_where_there_is_one) {
  EXPECT_THAT(Features(""), IsEmpty());
  std::ofstream(dir_ / "dri/card0") << "";
  EXPECT_THAT(Features(""), IsEmpty());
  std::ofstream(dir_ / "dri/renderD128") << "";
  EXPECT_THAT(Features(""), ElementsAre("render-node"));
}

TEST_F(CapabilitiesTest, virgl_is_told_only_with_a_renderer) {
  std::ofstream(dir_ / "renderer") << "";
  EXPECT_THAT(Features(dir_ / "renderer"), IsEmpty()) << "not executable";
  std::filesystem::permissions(dir_ / "renderer", std::filesystem::perms(0755));
  EXPECT_THAT(Features(dir_ / "renderer"), ElementsAre("virgl"));
}

TEST_F(CapabilitiesTest, a_machine_without_dri_has_no_render_node) {
  std::filesystem::remove(dir_ / "dri");
  EXPECT_THAT(Features(""), IsEmpty());
}

TEST_F(CapabilitiesTest, who_asks_for_them_is_asked_for_nothing_else) {
  char program[] = "rendercar-backend";
  char wrong[] = "--no-such-flag";
  char asked[] = "--print-capabilities";
  char* with[] = {program, wrong, asked};
  EXPECT_TRUE(WantsCapabilities(3, with));
  EXPECT_FALSE(WantsCapabilities(2, with));
}

}  // namespace
}  // namespace rendercar::backend
