// The 3D scene against this build's backend in software, and its check against wrong pictures.
// SPDX-License-Identifier: Apache-2.0
#include "tests/frontend/depth_scene.h"

#include <gtest/gtest.h>

namespace rendercar::frontend {
namespace {

TEST(DepthSceneTest, TheBackendDrawsItInSoftware) {
  VmOptions options;
  options.program = OwnBackend();
  if (!IsInstalled(options.program)) GTEST_SKIP() << "SKIPPED: build the target rendercar-backend";
  options.program.args = {"--virgl"};
  options.frontend.virgl = true;
  const auto vm = TestVm::Boot(options);
  ASSERT_TRUE(vm.ok()) << vm.status();
  DepthScene scene(**vm);
  const absl::Status drawn = scene.Draw();
  ASSERT_TRUE(drawn.ok()) << drawn;
  const auto picture = scene.Read();
  ASSERT_TRUE(picture.ok()) << picture.status();
  EXPECT_EQ(CountWrong(*picture), 0U);
}

TEST(DepthSceneTest, APictureOfOneColourIsWrong) {
  for (const uint32_t colour : {0x203040U, 0xff8000U, 0x0040ffU, 0U}) {
    EXPECT_GT(CountWrong(Picture(DepthScene::kSide, DepthScene::kSide, colour)), 500U) << colour;
  }
}

TEST(DepthSceneTest, APictureOfAnotherSizeIsWrong) {
  EXPECT_EQ(CountWrong(Picture(8, 8)), size_t{DepthScene::kSide} * DepthScene::kSide);
}

}  // namespace
}  // namespace rendercar::frontend
