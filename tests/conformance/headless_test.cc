// A backend that only renders: the guest sees no screen, the frontend gets no picture.
// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/conformance.h"
#include "tests/frontend/virgl_encoder.h"

namespace rendercar::frontend {
namespace {

constexpr uint32_t kOk = VIRTIO_GPU_RESP_OK_NODATA;
constexpr Rect kAll{0, 0, 64, 64};

class Headless : public Conformance {
 protected:
  void BootHeadless(bool virgl) {
    VmOptions options;
    options.program.args = {"--headless"};
    options.frontend.virgl = virgl;
    options.frontend.display.heads = {{1280, 800, true}, {640, 480, true}};
    Boot(std::move(options));
  }
  // What is still on its way has arrived: everything before a renewed socket is read first.
  void ExpectNothingShown() {
    ASSERT_TRUE(vm().Pause().ok());
    ASSERT_TRUE(vm().Resume().ok());
    ExpectAlive();
    EXPECT_TRUE(display().WaitFor([](const DisplayState& state) {
      return state.messages.count(VHOST_USER_GPU_GET_PROTOCOL_FEATURES) != 0;
    }));
    const DisplayState state = display().state();
    EXPECT_TRUE(state.scanouts.empty());
    EXPECT_EQ(state.messages.count(VHOST_USER_GPU_SCANOUT), 0U);
    EXPECT_EQ(state.messages.count(VHOST_USER_GPU_UPDATE), 0U);
    EXPECT_EQ(state.messages.count(VHOST_USER_GPU_CURSOR_POS), 0U);
    EXPECT_EQ(state.messages.count(VHOST_USER_GPU_CURSOR_UPDATE), 0U);
  }
};

TEST_F(Headless, ReportsEveryHeadDisabled) {
  BootHeadless(false);
  const absl::StatusOr<GpuResponse> answer = gpu().Call(Header(VIRTIO_GPU_CMD_GET_DISPLAY_INFO));
  ASSERT_TRUE(answer.ok());
  const auto info = answer->As<virtio_gpu_resp_display_info>();
  for (const auto& mode : info.pmodes) EXPECT_EQ(mode.enabled, 0U);
}

TEST_F(Headless, TakesEveryCommandAndShowsNothing) {
  BootHeadless(false);
  CreateResource(1, 64, 64);
  Draw(1, TestPicture(64, 64));
  EXPECT_EQ(gpu().TypeOf(SetScanout(0, 1, kAll)), kOk);
  TransferAndFlush(1, kAll);
  EXPECT_TRUE(vm().cursor().Call(MoveCursor(0, 5, 6)).ok());
  ExpectNothingShown();
}

TEST_F(Headless, RendersIn3dAndShowsNothing) {
  BootHeadless(true);
  if ((vm().frontend().offered_features() & Bit(VIRTIO_GPU_F_VIRGL)) == 0)
    GTEST_SKIP() << "SKIPPED: the backend finds no virglrenderer that works here";
  ASSERT_EQ(gpu().TypeOf(CtxCreate(1, "headless")), kOk);
  ASSERT_EQ(gpu().TypeOf(ResourceCreate3d(10, 64, 64, kVirglFormatB8G8R8A8Unorm)), kOk);
  const std::vector<GuestSpan> backing = vm().ram().AllocateScattered(64 * 64 * 4);
  ASSERT_EQ(gpu().AttachBacking(10, backing), kOk);
  ASSERT_EQ(gpu().TypeOf(CtxAttachResource(1, 10)), kOk);
  VirglEncoder stream;
  stream.CreateSurface(5, 10, kVirglFormatB8G8R8A8Unorm);
  stream.SetFramebuffer(5);
  stream.Clear({0, 1, 0, 1});
  ASSERT_EQ(gpu().TypeOf(Submit3d(1, static_cast<uint32_t>(stream.bytes().size())), stream.bytes()),
            kOk);
  EXPECT_EQ(gpu().TypeOf(SetScanout(0, 10, kAll)), kOk);
  EXPECT_EQ(gpu().TypeOf(ResourceFlush(10, kAll)), kOk);
  const auto read = Transfer3d(VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D, 1, 10, kAll, 64 * 4);
  EXPECT_EQ(gpu().TypeOf(Fenced(read, 1)), kOk);
  EXPECT_EQ(std::to_integer<int>(ReadFrom(vm().ram(), backing)[1]), 0xff);  // it was drawn
  ExpectNothingShown();
}

}  // namespace
}  // namespace rendercar::frontend
