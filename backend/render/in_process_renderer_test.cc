// The executor without rings, on software OpenGL.
// SPDX-License-Identifier: Apache-2.0
#include "backend/render/in_process_renderer.h"

#include <dlfcn.h>

#include "backend/ipc/renderer_fixture.h"
#include "backend/render/loaded_files.h"

namespace rendercar::render {
namespace {

using gpu::RenderResult;

class InProcessRendererTest : public ipc::RendererFixture {
 protected:
  void SetUp() override {
    renderer.SetClient(&client);
    ASSERT_TRUE(renderer.Start().ok());
    KeepLoaded();
  }
  // EGL unloads its drivers at the end, and a leak checker could name no frame of theirs.
  static void KeepLoaded() {
    for (const std::string& file : LoadedFiles())
      ::dlopen(file.c_str(), RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
  }
  uint32_t FirstPixel() {
    auto pixels = renderer.AllocatePixels(64 * 64 * 4);
    gpu::ReadPixels read;
    read.resource_id = 7;
    read.box = {0, 0, 0, 64, 64, 1};
    read.pixels_id = (*pixels)->id();
    read.stride_bytes = 256;
    EXPECT_EQ(Result(renderer, read), RenderResult::kOk);
    return PixelAt((*pixels)->bytes(), 0);
  }
  InProcessRenderer renderer{loop, {}};
};

TEST_F(InProcessRendererTest, a_clear_by_virgl_commands_is_read_back) {
  MakeTarget(renderer, 1, 7, 64);
  RunUntilComplete(SendStream(renderer, 1, ClearStream(7, {1, 0, 0, 1})));
  EXPECT_EQ(FirstPixel(), 0xFFFF0000u);
}

TEST_F(InProcessRendererTest, it_draws_again_after_a_reset) {
  MakeTarget(renderer, 1, 7, 64);
  renderer.Reset();
  EXPECT_FALSE(renderer.running());
  ASSERT_TRUE(renderer.Start().ok());
  MakeTarget(renderer, 1, 7, 64);
  RunUntilComplete(SendStream(renderer, 1, ClearStream(7, {0, 0, 1, 1})));
  EXPECT_EQ(FirstPixel(), 0xFF0000FFu);
}

TEST_F(InProcessRendererTest, quiesce_delivers_everything_before_it_returns) {
  MakeTarget(renderer, 1, 7, 64);
  const uint64_t token = SendStream(renderer, 1, ClearStream(7, {0, 0, 1, 1}));
  renderer.Quiesce(10'000);
  EXPECT_EQ(client.results[token], RenderResult::kOk);
}

}  // namespace
}  // namespace rendercar::render
