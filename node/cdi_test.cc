// CDI specifications and node features: their content, and that files appear and go whole.
// SPDX-License-Identifier: Apache-2.0
#include "node/cdi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "node/fake_sysfs.h"
#include "node/node_features.h"

namespace rendercar::node {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class CdiTest : public ::testing::Test {
 protected:
  CdiTest() { sysfs_.AddPci(128, {}); }
  std::vector<RenderNode> Nodes() { return *ScanRenderNodes(sysfs_.roots()); }
  json Written() {
    std::ifstream file(Path());
    return json::parse(file);
  }
  std::string Path() { return dir_ / "cdi/rendercar.dev-render.json"; }

  FakeSysfs sysfs_;
  TempDir dir_;
};

TEST_F(CdiTest, a_device_is_named_and_can_be_opened_without_privilege) {
  ASSERT_TRUE(UpdateCdi(dir_ / "cdi", Nodes(), sysfs_.roots()).ok());
  const json spec = Written();
  EXPECT_EQ(spec["cdiVersion"], "0.5.0");
  EXPECT_EQ(spec["kind"], "rendercar.dev/render");
  const json& device = spec["devices"][0];
  EXPECT_EQ(device["name"], "0000-03-00.0");
  const json& node = device["containerEdits"]["deviceNodes"][0];
  EXPECT_EQ(node["path"], "/dev/dri/renderD128");
  EXPECT_EQ(node["permissions"], "rw");
  EXPECT_EQ(node["fileMode"], 0666);
  EXPECT_EQ(CdiName(Nodes().front()), "rendercar.dev/render=0000-03-00.0");
}

TEST_F(CdiTest, the_file_goes_with_the_last_device) {
  ASSERT_TRUE(UpdateCdi(dir_ / "cdi", Nodes(), sysfs_.roots()).ok());
  ASSERT_TRUE(UpdateCdi(dir_ / "cdi", {SoftwareRenderNode()}, sysfs_.roots()).ok());
  EXPECT_FALSE(std::filesystem::exists(Path()));
}

TEST_F(CdiTest, nothing_is_left_beside_the_file) {
  ASSERT_TRUE(UpdateCdi(dir_ / "cdi", Nodes(), sysfs_.roots()).ok());
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir_ / "cdi")) {
    files += entry.exists() ? 1 : 0;
  }
  EXPECT_EQ(files, 1u);
}

TEST_F(CdiTest, a_directory_that_cannot_be_made_is_named) {
  std::ofstream(dir_ / "file") << "";
  const absl::Status status = UpdateCdi(dir_ / "file/cdi", Nodes(), sysfs_.roots());
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr(dir_ / "file/cdi"));
}

TEST_F(CdiTest, features_tell_drivers_models_and_shares) {
  Config config;
  config.resources.front().sizes = {.replicas = 3, .video_memory_bytes = 1ULL << 30};
  EXPECT_EQ(NodeFeatures(Nodes(), config),
            "rendercar.dev/driver.amdgpu=true\n"
            "rendercar.dev/model.1002-73bf=true\n"
            "rendercar.dev/render-nodes=1\n"
            "rendercar.dev/share-mib.render=1024\n"
            "rendercar.dev/shares.render=3\n");
}

}  // namespace
}  // namespace rendercar::node
