// 2D commands from the guest's side: what each answers, and what the display gets to see.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "backend/gpu/device_fixture.h"

namespace rendercar::gpu {
namespace {

constexpr uint32_t kOk = VIRTIO_GPU_RESP_OK_NODATA;
constexpr uint32_t kUnspec = VIRTIO_GPU_RESP_ERR_UNSPEC;
constexpr uint32_t kNoMemory = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
constexpr uint32_t kBadScanout = VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
constexpr uint32_t kBadResource = VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
constexpr uint32_t kBadParameter = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;

// The last picture of scanout 0, put together from the updates.
struct Screen {
  uint32_t width = 0, height = 0;
  std::vector<uint32_t> pixels;
  size_t updates = 0, updated_pixels = 0;

  void Apply(const std::vector<DisplayMessage>& messages, uint32_t scanout_id = 0) {
    for (const DisplayMessage& message : messages) {
      if (message.request == wire::VHOST_USER_GPU_SCANOUT) {
        const auto scanout = message.As<wire::VhostUserGpuScanout>();
        if (scanout.scanout_id != scanout_id) continue;
        width = scanout.width;
        height = scanout.height;
        pixels.assign(size_t{width} * height, 0xdeadbeef);
      }
      if (message.request == wire::VHOST_USER_GPU_UPDATE) ApplyUpdate(message, scanout_id);
    }
  }
  void ApplyUpdate(const DisplayMessage& message, uint32_t scanout_id) {
    const auto update = message.As<wire::VhostUserGpuUpdate>();
    if (update.scanout_id != scanout_id) return;
    ASSERT_LE(update.x + update.width, width);
    ASSERT_LE(update.y + update.height, height);
    ASSERT_EQ(message.payload.size(), sizeof(update) + size_t{4} * update.width * update.height);
    const std::byte* row = message.payload.data() + sizeof(update);
    for (uint32_t y = update.y; y < update.y + update.height; ++y, row += size_t{4} * update.width)
      std::memcpy(&pixels[size_t{y} * width + update.x], row, size_t{4} * update.width);
    ++updates;
    updated_pixels += size_t{update.width} * update.height;
  }
};

// A resource of 200x100 shown on scanout 0, with a known picture, and a viewer that saw it.
class Shown : public testing::Test {
 protected:
  static constexpr uint32_t kWidth = 200, kHeight = 100;
  static constexpr virtio_gpu_rect kAll{0, 0, kWidth, kHeight};

  void SetUp() override {
    for (uint32_t i = 0; i < kWidth * kHeight; ++i) Put(i, 0x01000000u + i);
    ASSERT_EQ(device_.Create2d(1, kWidth, kHeight), kOk);
    ASSERT_EQ(device_.Attach(1, 0, kWidth * kHeight * 4), kOk);
    ASSERT_EQ(device_.Transfer(1, kAll, 0), kOk);
    ASSERT_EQ(device_.SetScanout(0, 1, kAll), kOk);
    ASSERT_EQ(device_.Flush(1, kAll), kOk);
    screen_.Apply(peer_.Read());
  }
  void Put(uint32_t index, uint32_t pixel) {
    std::memcpy(device_.guest(index * size_t{4}), &pixel, 4);
  }
  uint32_t Get(uint32_t index) {
    uint32_t pixel;
    std::memcpy(&pixel, device_.guest(index * size_t{4}), 4);
    return pixel;
  }
  void ExpectScreenIsGuestPicture() {
    ASSERT_EQ(screen_.pixels.size(), size_t{kWidth} * kHeight);
    for (uint32_t i = 0; i < kWidth * kHeight; ++i) ASSERT_EQ(screen_.pixels[i], Get(i)) << i;
  }

  DeviceFixture device_;
  DisplayPeer peer_ = device_.Connect();
  Screen screen_;
};

TEST_F(Shown, ReachesTheDisplayPixelByPixel) { ExpectScreenIsGuestPicture(); }

TEST_F(Shown, CostsNothingWhenNothingChanged) {
  device_.Transfer(1, kAll, 0);
  device_.Flush(1, kAll);
  EXPECT_TRUE(peer_.Read().empty());
}

TEST_F(Shown, SendsOnlyTheTilesThatChanged) {
  Put(70 + 20 * kWidth, 0x00abcdef);
  device_.Transfer(1, kAll, 0);
  device_.Flush(1, kAll);
  screen_.updates = screen_.updated_pixels = 0;
  screen_.Apply(peer_.Read());
  EXPECT_EQ(screen_.updates, 1u);
  EXPECT_EQ(screen_.updated_pixels, 64u * 16u);
  ExpectScreenIsGuestPicture();
}

TEST_F(Shown, TakesARectangleFromItsOffset) {
  Put(150 + 50 * kWidth, 0x00abcdef);
  device_.Transfer(1, {140, 45, 20, 10}, (45 * kWidth + 140) * 4);
  device_.Flush(1, {140, 45, 20, 10});
  screen_.Apply(peer_.Read());
  ExpectScreenIsGuestPicture();
}

TEST_F(Shown, ShowsOnlyWhatIsFlushed) {
  Put(0, 0x00111111);
  Put(99 * kWidth, 0x00222222);
  device_.Transfer(1, kAll, 0);
  device_.Flush(1, {0, 90, 10, 10});
  screen_.Apply(peer_.Read());
  EXPECT_NE(screen_.pixels[0], 0x00111111u);
  EXPECT_EQ(screen_.pixels[99 * kWidth], 0x00222222u);
}

TEST_F(Shown, IsShownAgainOnARenewedSocket) {
  DisplayPeer renewed = device_.Connect();
  Screen screen;
  screen.Apply(renewed.Read());
  screen_ = screen;
  ExpectScreenIsGuestPicture();
}

TEST_F(Shown, SurvivesADisplayThatVanishes) {
  peer_.Close();
  Put(0, 0x00111111);
  EXPECT_EQ(device_.Transfer(1, kAll, 0), kOk);
  EXPECT_EQ(device_.Flush(1, kAll), kOk);
}

TEST_F(Shown, PageFlipSendsOnlyWhatDiffers) {
  ASSERT_EQ(device_.Create2d(2, kWidth, kHeight), kOk);
  ASSERT_EQ(device_.Attach(2, 0, kWidth * kHeight * 4), kOk);
  Put(0, 0x00111111);
  ASSERT_EQ(device_.Transfer(2, kAll, 0), kOk);
  ASSERT_EQ(device_.SetScanout(0, 2, kAll), kOk);
  screen_.updates = screen_.updated_pixels = 0;
  screen_.Apply(peer_.Read());
  EXPECT_EQ(screen_.updated_pixels, 64u * 16u);
  ExpectScreenIsGuestPicture();
}

TEST_F(Shown, OffsetScanoutShowsItsPart) {
  ASSERT_EQ(device_.SetScanout(1, 1, {70, 30, 100, 50}), kOk);
  Screen second;
  second.Apply(peer_.Read(), 1);
  ASSERT_EQ(second.width, 100u);
  EXPECT_EQ(second.pixels[0], Get(70 + 30 * kWidth));
  EXPECT_EQ(second.pixels[99 + 49 * 100], Get(169 + 79 * kWidth));
}

TEST_F(Shown, OneResourceOnTwoScanoutsUpdatesBoth) {
  ASSERT_EQ(device_.SetScanout(1, 1, {70, 30, 100, 50}), kOk);
  Screen second;
  second.Apply(peer_.Read(), 1);
  Put(100 + 60 * kWidth, 0x00abcdef);
  device_.Transfer(1, kAll, 0);
  device_.Flush(1, kAll);
  const auto messages = peer_.Read();
  screen_.Apply(messages);
  second.Apply(messages, 1);
  ExpectScreenIsGuestPicture();
  EXPECT_EQ(second.pixels[30 + 30 * 100], 0x00abcdefu);
}

TEST_F(Shown, DisablingTellsTheDisplay) {
  ASSERT_EQ(device_.SetScanout(0, 0, {}), kOk);
  const auto messages = peer_.Read();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].request, wire::VHOST_USER_GPU_SCANOUT);
  EXPECT_EQ(messages[0].As<wire::VhostUserGpuScanout>().width, 0u);
}

TEST_F(Shown, UnrefDisablesTheScanout) {
  ASSERT_EQ(device_.Unref(1), kOk);
  const auto messages = peer_.Read();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].As<wire::VhostUserGpuScanout>().width, 0u);
}

TEST_F(Shown, ResetDropsEverything) {
  device_.device_->Reset();
  EXPECT_EQ(device_.stats_.Get(StatsValue::kResources), 0u);
  EXPECT_EQ(device_.stats_.Get(StatsValue::kResourceBytes), 0u);
  EXPECT_EQ(device_.Flush(1, kAll), kBadResource);
  EXPECT_EQ(device_.Create2d(1, 10, 10), kOk);
}

TEST_F(Shown, AMemoryTableWithoutTheBackingFailsTransfers) {
  device_.device_->SetMemory(nullptr);
  EXPECT_EQ(device_.Transfer(1, kAll, 0), kUnspec);
  EXPECT_EQ(device_.stats_.Get(StatsError::kMemoryLost), 1u);
  device_.device_->SetMemory(device_.memory_);
  EXPECT_EQ(device_.Transfer(1, kAll, 0), kOk);
}

TEST(Device2d, ABackingThatIsLostInPartsFailsTransfersOfThosePartsOnly) {
  DeviceFixture device;
  device.Create2d(1, 64, 64);
  ASSERT_EQ(device.Attach(1, {{kGuestBase, 8192, 0}, {kGuestBase + (1u << 20), 8192, 0}}), kOk);
  device.device_->SetMemory(MakeGuestMemory(8192));
  EXPECT_EQ(device.Transfer(1, {0, 0, 64, 32}, 0), kOk);
  EXPECT_EQ(device.Transfer(1, {0, 0, 64, 64}, 0), kUnspec);
}

TEST(Device2d, ScatteredPagesMakeThePicture) {
  DeviceFixture device;
  DisplayPeer peer = device.Connect();
  // 100x41 pixels over pages in reverse order, the first entry of an odd length.
  std::vector<virtio_gpu_mem_entry> entries;
  std::vector<uint32_t> picture(100 * 41);
  for (uint32_t i = 0; i < picture.size(); ++i) picture[i] = i * 7919u;
  const auto bytes = std::as_bytes(std::span(picture));
  size_t at = 0;
  for (uint32_t page = 20; at < bytes.size(); --page) {
    const auto size =
        static_cast<uint32_t>(std::min<size_t>(at == 0 ? 1021 : 4096, bytes.size() - at));
    std::memcpy(device.guest(page * 8192), bytes.data() + at, size);
    entries.push_back({kGuestBase + page * 8192, size, 0});
    at += size;
  }
  ASSERT_EQ(device.Create2d(1, 100, 41), kOk);
  ASSERT_EQ(device.Attach(1, entries), kOk);
  ASSERT_EQ(device.Transfer(1, {0, 0, 100, 41}, 0), kOk);
  ASSERT_EQ(device.SetScanout(0, 1, {0, 0, 100, 41}), kOk);
  Screen screen;
  screen.Apply(peer.Read());
  EXPECT_EQ(screen.pixels, picture);
}

struct FormatCase {
  uint32_t format;
  std::array<uint8_t, 4> red_green_blue_alpha_at;  // byte of each in memory
};
class Formats : public testing::TestWithParam<FormatCase> {};

TEST_P(Formats, AreShownInTheRightColours) {
  DeviceFixture device;
  DisplayPeer peer = device.Connect();
  const auto [format, at] = GetParam();
  for (uint32_t i = 0; i < 32 * 4; ++i) {
    std::byte* pixel = device.guest(i * size_t{4});
    pixel[at[0]] = std::byte{0x12};
    pixel[at[1]] = std::byte{0x34};
    pixel[at[2]] = std::byte{0x56};
    pixel[at[3]] = std::byte{static_cast<uint8_t>(i)};
  }
  ASSERT_EQ(device.Create2d(1, 32, 4, format), kOk);
  ASSERT_EQ(device.Attach(1, 0, 32 * 4 * 4), kOk);
  ASSERT_EQ(device.SetScanout(0, 1, {0, 0, 32, 4}), kOk);
  ASSERT_EQ(device.Transfer(1, {0, 0, 32, 4}, 0), kOk);
  ASSERT_EQ(device.Flush(1, {0, 0, 32, 4}), kOk);
  Screen screen;
  screen.Apply(peer.Read());
  for (uint32_t i = 0; i < screen.pixels.size(); ++i)
    ASSERT_EQ(screen.pixels[i], 0x00123456u | i << 24);
}

INSTANTIATE_TEST_SUITE_P(All, Formats,
                         testing::Values(FormatCase{1, {2, 1, 0, 3}}, FormatCase{2, {2, 1, 0, 3}},
                                         FormatCase{3, {1, 2, 3, 0}}, FormatCase{4, {1, 2, 3, 0}},
                                         FormatCase{67, {0, 1, 2, 3}}, FormatCase{68, {3, 2, 1, 0}},
                                         FormatCase{121, {3, 2, 1, 0}},
                                         FormatCase{134, {0, 1, 2, 3}}));

TEST(Device2d, RefusesWhatIsWrongWithItsOwnErrorEach) {
  GpuDevice::Options options;
  options.limits.resource_bytes = 1 << 20;
  options.limits.backing_entries = 2;
  DeviceFixture device(options);
  EXPECT_EQ(device.Create2d(0, 10, 10), kBadResource);
  EXPECT_EQ(device.Create2d(1, 10, 10, 5), kBadParameter);
  EXPECT_EQ(device.Create2d(1, 0, 10), kBadParameter);
  EXPECT_EQ(device.Create2d(1, 10, 0xffffffff), kBadParameter);
  EXPECT_EQ(device.Create2d(1, 1024, 1024), kNoMemory);
  EXPECT_EQ(device.Create2d(1, 100, 100), kOk);
  EXPECT_EQ(device.Create2d(1, 100, 100), kBadResource);
  EXPECT_EQ(device.Transfer(1, {0, 0, 100, 100}, 0), kUnspec);
  EXPECT_EQ(device.Detach(1), kUnspec);
  EXPECT_EQ(device.Attach(9, 0, 4096), kBadResource);
  EXPECT_EQ(device.Attach(1, kGuestBytes - 1, 4096), kBadParameter);
  EXPECT_EQ(device.Attach(1, {{~uint64_t{0} - 5, 4096, 0}}), kBadParameter);
  EXPECT_EQ(device.Attach(1, {{kGuestBase, 1, 0}, {kGuestBase, 1, 0}, {kGuestBase, 1, 0}}),
            kNoMemory);
  EXPECT_EQ(device.Attach(1, 0, 100 * 100 * 4), kOk);
  EXPECT_EQ(device.Attach(1, 0, 100 * 100 * 4), kUnspec);
  EXPECT_EQ(device.Transfer(1, {1, 0, 100, 100}, 0), kBadParameter);
  EXPECT_EQ(device.Transfer(1, {0xffffffff, 0, 2, 1}, 0), kBadParameter);
  EXPECT_EQ(device.Transfer(1, {0, 0, 100, 100}, 4), kBadParameter);
  EXPECT_EQ(device.Transfer(1, {0, 0, 1, 1}, ~uint64_t{0}), kBadParameter);
  EXPECT_EQ(device.Transfer(1, {0, 0, 0, 0}, 0), kOk);
  EXPECT_EQ(device.Transfer(9, {0, 0, 1, 1}, 0), kBadResource);
  EXPECT_EQ(device.SetScanout(16, 1, {0, 0, 100, 100}), kBadScanout);
  EXPECT_EQ(device.SetScanout(0, 9, {0, 0, 100, 100}), kBadResource);
  EXPECT_EQ(device.SetScanout(0, 1, {0, 0, 101, 100}), kBadParameter);
  EXPECT_EQ(device.SetScanout(0, 1, {0, 0, 0, 100}), kBadParameter);
  EXPECT_EQ(device.Flush(9, {0, 0, 1, 1}), kBadResource);
  EXPECT_EQ(device.Flush(1, {0, 0, 1, 101}), kBadParameter);
  EXPECT_EQ(device.Unref(9), kBadResource);
  EXPECT_EQ(device.Detach(1), kOk);
  EXPECT_EQ(device.Unref(1), kOk);
}

TEST(Device2d, CountsResourcesAgainstTheLimit) {
  GpuDevice::Options options;
  options.limits.resources = 2;
  DeviceFixture device(options);
  EXPECT_EQ(device.Create2d(1, 8, 8), kOk);
  EXPECT_EQ(device.Create2d(2, 8, 8), kOk);
  EXPECT_EQ(device.Create2d(3, 8, 8), kNoMemory);
  EXPECT_EQ(device.Unref(1), kOk);
  EXPECT_EQ(device.Create2d(3, 8, 8), kOk);
}

TEST(Device2d, EchoesTheFenceAndTheContext) {
  DeviceFixture device;
  virtio_gpu_resource_flush wire{};
  wire.hdr.type = VIRTIO_GPU_CMD_RESOURCE_FLUSH;
  wire.hdr.flags = VIRTIO_GPU_FLAG_FENCE;
  wire.hdr.fence_id = 0x123456789abcdef0;
  wire.hdr.ctx_id = 7;
  const auto response = device.Response(device.Start(wire));
  EXPECT_EQ(response.type, kBadResource);
  EXPECT_EQ(response.flags, uint32_t{VIRTIO_GPU_FLAG_FENCE});
  EXPECT_EQ(response.fence_id, 0x123456789abcdef0u);
  EXPECT_EQ(response.ctx_id, 7u);
}

TEST(Device2d, AnswersShortAndUnknownCommands) {
  DeviceFixture device;
  EXPECT_EQ(device.Response(device.Start({{std::byte{1}}})).type, kUnspec);
  virtio_gpu_ctrl_hdr hdr{};
  hdr.type = 0x4711;
  EXPECT_EQ(device.Do(hdr), kUnspec);
  hdr.type = VIRTIO_GPU_CMD_SET_SCANOUT;
  EXPECT_EQ(device.Do(hdr), kUnspec);
  EXPECT_EQ(device.stats_.Get(StatsError::kShortCommand), 2u);
  EXPECT_EQ(device.stats_.Get(StatsError::kUnknownCommand), 1u);
}

TEST(Device2d, WritesNoMoreThanTheGuestHasRoomFor) {
  DeviceFixture device;
  virtio_gpu_ctrl_hdr hdr{};
  hdr.type = VIRTIO_GPU_CMD_RESOURCE_FLUSH;
  const uint16_t head = device.Start({DeviceFixture::Bytes(hdr)}, 5);
  EXPECT_EQ(device.port_.answers[head].written_bytes, 5u);
}

TEST(Device2d, UuidsStayWithTheirResource) {
  DeviceFixture device;
  device.Create2d(1, 8, 8);
  virtio_gpu_resource_assign_uuid wire{};
  wire.hdr.type = VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID;
  wire.resource_id = 1;
  const auto first = device.Response<virtio_gpu_resp_resource_uuid>(device.Start(wire));
  const auto second = device.Response<virtio_gpu_resp_resource_uuid>(device.Start(wire));
  EXPECT_EQ(first.hdr.type, uint32_t{VIRTIO_GPU_RESP_OK_RESOURCE_UUID});
  EXPECT_EQ(std::memcmp(first.uuid, second.uuid, 16), 0);
  wire.resource_id = 2;
  EXPECT_EQ(device.Do(wire), kBadResource);
}

}  // namespace
}  // namespace rendercar::gpu
