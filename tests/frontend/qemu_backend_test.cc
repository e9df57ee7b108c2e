// The frontend library against QEMU's own backend: a counterpart that this project did not write.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/frontend/gpu_commands.h"
#include "tests/frontend/test_vm.h"

namespace rendercar::frontend {
namespace {

constexpr uint32_t kWidth = 64, kHeight = 48;

class QemuBackend : public testing::Test {
 protected:
  void SetUp() override {
    if (!IsInstalled(QemuBackend::Program())) {
      GTEST_SKIP() << "SKIPPED: QEMU's vhost-user-gpu is not installed (package qemu-system-gui)";
    }
    absl::StatusOr<std::unique_ptr<TestVm>> vm = TestVm::Boot({Program(), {}});
    ASSERT_TRUE(vm.ok()) << vm.status();
    vm_ = *std::move(vm);
  }
  static BackendProgram Program() { return rendercar::frontend::QemuBackend(); }

  GpuDriver& gpu() { return vm_->control(); }

  std::unique_ptr<TestVm> vm_;
};

Picture Gradient() {
  Picture picture(kWidth, kHeight);
  for (uint32_t i = 0; i < picture.pixels.size(); ++i) picture.pixels[i] = i * 0x010305U & 0xffffff;
  return picture;
}

TEST_F(QemuBackend, SaysItsFeaturesAndConfig) {
  EXPECT_NE(vm_->frontend().offered_features() & Bit(VIRTIO_GPU_F_EDID), 0U);
  EXPECT_TRUE(vm_->frontend().HasProtocolFeature(VHOST_USER_PROTOCOL_F_CONFIG));
  const absl::StatusOr<virtio_gpu_config> config = vm_->frontend().GetConfig();
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->num_capsets, 0U);
}

TEST_F(QemuBackend, AnswersDisplayInfoFromTheDisplayEnd) {
  const absl::StatusOr<GpuResponse> reply = gpu().Call(Header(VIRTIO_GPU_CMD_GET_DISPLAY_INFO));
  ASSERT_TRUE(reply.ok()) << reply.status();
  const auto info = reply->As<virtio_gpu_resp_display_info>();
  EXPECT_EQ(info.hdr.type, VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
  EXPECT_EQ(info.pmodes[0].r.width, 1280U);
  EXPECT_EQ(info.pmodes[0].enabled, 1U);
}

TEST_F(QemuBackend, PassesTheEdidOn) {
  const absl::StatusOr<GpuResponse> reply = gpu().Call(GetEdid(0));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->type(), VIRTIO_GPU_RESP_OK_EDID);
  EXPECT_EQ(reply->As<virtio_gpu_resp_edid>().size, 128U);
}

TEST_F(QemuBackend, ShowsAPictureFromScatteredPages) {
  const Picture wanted = Gradient();
  const std::vector<GuestSpan> backing = vm_->ram().AllocateScattered(kWidth * kHeight * 4);
  WriteTo(vm_->ram(), backing, std::as_bytes(std::span(wanted.pixels)));
  const Rect all{0, 0, kWidth, kHeight};
  EXPECT_EQ(gpu().TypeOf(ResourceCreate2d(1, kWidth, kHeight, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM)),
            VIRTIO_GPU_RESP_OK_NODATA);
  EXPECT_EQ(gpu().AttachBacking(1, backing), VIRTIO_GPU_RESP_OK_NODATA);
  EXPECT_EQ(gpu().TypeOf(SetScanout(0, 1, all)), VIRTIO_GPU_RESP_OK_NODATA);
  EXPECT_EQ(gpu().TypeOf(TransferToHost2d(1, all, 0)), VIRTIO_GPU_RESP_OK_NODATA);
  EXPECT_EQ(gpu().TypeOf(ResourceFlush(1, all)), VIRTIO_GPU_RESP_OK_NODATA);

  EXPECT_TRUE(vm_->display().WaitForPicture(0, wanted));
  EXPECT_TRUE(vm_->display().state().breaches.empty());
}

TEST_F(QemuBackend, RefusesWhatDoesNotExist) {
  EXPECT_EQ(gpu().TypeOf(ResourceUnref(99)), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
}

TEST_F(QemuBackend, MovesTheCursor) {
  EXPECT_TRUE(vm_->cursor().Call(MoveCursor(0, 11, 22)).ok());
  EXPECT_TRUE(vm_->display().WaitFor([](const DisplayState& state) {
    const auto found = state.cursors.find(0);
    return found != state.cursors.end() && found->second.x == 11 && found->second.y == 22;
  }));
}

TEST_F(QemuBackend, TakesManyCommandsInFlightWithFewNotifications) {
  constexpr uint32_t kCommands = 32;
  // Its start-up brings some, of which a busy machine counts the last ones later.
  constexpr uint64_t kLate = 8;
  const uint64_t before = gpu().queue().notifications();
  for (uint32_t i = 0; i < kCommands; ++i) {
    ASSERT_TRUE(gpu().Post(ResourceCreate2d(i + 1, 4, 4, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM)));
  }
  gpu().Publish();
  for (uint32_t i = 0; i < kCommands; ++i) {
    const std::optional<uint32_t> slot = gpu().WaitSlot();
    ASSERT_TRUE(slot.has_value());
    EXPECT_EQ(gpu().ResponseHeader(*slot).type, VIRTIO_GPU_RESP_OK_NODATA);
  }
  EXPECT_LE(gpu().queue().notifications() - before, kCommands + kLate);
  EXPECT_GT(gpu().queue().notifications(), before);
}

TEST_F(QemuBackend, EndsWhenTheFrontendGoes) {
  vm_->frontend().channel().Close();
  const std::optional<ChildEnd> end = vm_->backend().WaitEnd(std::chrono::seconds(20));
  EXPECT_TRUE(end.has_value());
}

TEST_F(QemuBackend, ListensOnAPathToo) {
  const std::string path = "/tmp/rendercar-frontend-" + std::to_string(::getpid()) + ".sock";
  absl::StatusOr<BackendProcess> process = BackendProcess::StartWithPath(Program(), path);
  ASSERT_TRUE(process.ok()) << process.status();
  VhostChannel channel(process->TakeSocket());
  EXPECT_TRUE(channel.GetU64(VHOST_USER_GET_FEATURES).ok());
  ::unlink(path.c_str());
}

TEST_F(QemuBackend, IsMeasuredWhileItRuns) {
  const ProcessUsage usage = vm_->backend().tree_usage();
  EXPECT_GT(usage.cpu_seconds, 0);
  EXPECT_GT(usage.rss_bytes, 1U << 20);
  EXPECT_GT(usage.descriptors, 5U);
  EXPECT_GT(usage.mappings, 20U);
}

}  // namespace
}  // namespace rendercar::frontend
