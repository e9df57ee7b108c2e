// Render nodes: what is listed, and what is refused in words.
// SPDX-License-Identifier: Apache-2.0
#include "backend/drm/render_node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "common/temp_dir.h"

namespace rendercar::drm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST(RenderNodeTest, nodes_are_listed_by_number) {
  const TempDir dir;
  for (const char* name : {"renderD130", "renderD128", "card0", "renderDx", "renderD1000"})
    std::ofstream(dir / name) << "";
  EXPECT_THAT(ListRenderNodes(dir.path()),
              ElementsAre(dir / "renderD128", dir / "renderD130", dir / "renderD1000"));
}

TEST(RenderNodeTest, a_machine_without_dri_has_none) {
  const TempDir dir;
  EXPECT_TRUE(ListRenderNodes(dir / "dri").empty());
}

TEST(RenderNodeTest, a_missing_node_is_named) {
  const auto fd = OpenRenderNode("/dev/dri/renderD999");
  EXPECT_TRUE(absl::IsNotFound(fd.status()));
  EXPECT_THAT(Message(fd.status()), HasSubstr("'/dev/dri/renderD999' does not exist"));
}

TEST(RenderNodeTest, other_files_and_devices_are_no_render_nodes) {
  const TempDir dir;
  std::ofstream(dir / "file") << "x";
  ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0600), 0);
  for (const std::string& path : {dir / "file", dir / "pipe", dir.path(), std::string("/dev/null")})
    EXPECT_TRUE(absl::IsInvalidArgument(OpenRenderNode(path).status())) << path;
}

}  // namespace
}  // namespace rendercar::drm
