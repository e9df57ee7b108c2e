// What the display socket carries: formats, scanouts, damage, the cursor, and frontends that do not
// read.
// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstring>

#include "tests/conformance/conformance.h"
#include "tests/conformance/pixel_formats.h"

namespace rendercar::frontend {
namespace {

constexpr uint32_t kWidth = 96, kHeight = 80;
constexpr Rect kAll{0, 0, kWidth, kHeight};

class Display : public Conformance {
 protected:
  void TearDown() override {
    if (!IsSkipped() && vm().frontend().display() != nullptr) {
      EXPECT_THAT(display().state().breaches, testing::IsEmpty());
    }
    Conformance::TearDown();
  }
  // Resource `id` with `picture` in it, transferred.
  void Load(uint32_t id, const Picture& picture) {
    CreateResource(id, picture.width, picture.height);
    Draw(id, picture);
    EXPECT_EQ(gpu().TypeOf(TransferToHost2d(id, {0, 0, picture.width, picture.height}, 0)),
              VIRTIO_GPU_RESP_OK_NODATA);
  }
  void Show(uint32_t scanout, uint32_t id, const Rect& rect) {
    EXPECT_EQ(gpu().TypeOf(SetScanout(scanout, id, rect)), VIRTIO_GPU_RESP_OK_NODATA);
  }
  void Flush(uint32_t id, const Rect& rect) {
    EXPECT_EQ(gpu().TypeOf(ResourceFlush(id, rect)), VIRTIO_GPU_RESP_OK_NODATA);
  }
  static FrontendOptions TwoHeads() {
    FrontendOptions options;
    options.display.heads = {{1280, 800, true}, {640, 480, true}};
    return options;
  }
};

class DisplayFormat : public Display, public testing::WithParamInterface<PixelFormat> {};

TEST_P(DisplayFormat, IsShownWithTheRightColours) {
  Boot();
  CreateResource(1, kWidth, kHeight, GetParam().format);
  const Picture wanted = TestPicture(kWidth, kHeight);
  WriteTo(vm().ram(), resources_[1].backing, GetParam().Encode(wanted));
  Show(0, 1, kAll);
  TransferAndFlush(1, kAll);
  EXPECT_TRUE(display().WaitForPicture(0, wanted));
}

INSTANTIATE_TEST_SUITE_P(Virtio12, DisplayFormat, testing::ValuesIn(kVirtioFormats),
                         [](const auto& format) { return format.param.name; });

TEST_F(Display, ShowsAPartOfAResource) {
  Boot();
  const Picture whole = TestPicture(kWidth, kHeight);
  Load(1, whole);
  const Rect part{17, 9, 40, 30};
  Show(0, 1, part);
  Flush(1, kAll);
  Picture wanted(part.width, part.height);
  for (uint32_t y = 0; y < part.height; ++y) {
    for (uint32_t x = 0; x < part.width; ++x) wanted.Row(y)[x] = whole.At(part.x + x, part.y + y);
  }
  EXPECT_TRUE(display().WaitForPicture(0, wanted));
}

TEST_F(Display, ShowsOneResourceOnTwoScanouts) {
  Boot(TwoHeads());
  const Picture whole = TestPicture(kWidth, kHeight);
  Load(1, whole);
  Show(0, 1, kAll);
  Show(1, 1, {kWidth / 2, 0, kWidth / 2, kHeight});
  Flush(1, kAll);
  Picture right(kWidth / 2, kHeight);
  for (uint32_t y = 0; y < kHeight; ++y) {
    for (uint32_t x = 0; x < right.width; ++x) right.Row(y)[x] = whole.At(kWidth / 2 + x, y);
  }
  EXPECT_TRUE(display().WaitForPicture(0, whole));
  EXPECT_TRUE(display().WaitForPicture(1, right));
}

TEST_F(Display, ShowsOnlyWhatWasFlushed) {
  Boot();
  Load(1, Picture(kWidth, kHeight, 0x112233));
  Show(0, 1, kAll);
  Flush(1, kAll);
  ASSERT_TRUE(display().WaitForPicture(0, Picture(kWidth, kHeight, 0x112233)));
  Draw(1, Picture(kWidth, kHeight, 0x445566));
  EXPECT_EQ(gpu().TypeOf(TransferToHost2d(1, {8, 8, 16, 16}, (8 * kWidth + 8) * 4)),
            VIRTIO_GPU_RESP_OK_NODATA);
  Flush(1, {8, 8, 16, 16});
  Picture wanted(kWidth, kHeight, 0x112233);
  for (uint32_t y = 8; y < 24; ++y) std::fill_n(wanted.Row(y) + 8, 16, 0x445566);
  EXPECT_TRUE(display().WaitForPicture(0, wanted));
}

TEST_F(Display, FollowsAResizeToAnotherResource) {
  Boot();
  Load(1, TestPicture(kWidth, kHeight, 1));
  Show(0, 1, kAll);
  Flush(1, kAll);
  const Picture larger = TestPicture(200, 150, 2);
  Load(2, larger);
  Show(0, 2, {0, 0, 200, 150});
  Flush(2, {0, 0, 200, 150});
  EXPECT_TRUE(display().WaitForPicture(0, larger));
}

TEST_F(Display, DisablesAScanout) {
  Boot();
  Load(1, TestPicture(kWidth, kHeight));
  Show(0, 1, kAll);
  Flush(1, kAll);
  ASSERT_TRUE(display().WaitForPicture(0, TestPicture(kWidth, kHeight)));
  Show(0, 0, {});
  EXPECT_TRUE(display().WaitFor([](const DisplayState& state) { return state.scanouts.empty(); }));
}

TEST_F(Display, DisablesTheScanoutOfAResourceThatGoes) {
  Boot();
  Load(1, TestPicture(kWidth, kHeight));
  Show(0, 1, kAll);
  Flush(1, kAll);
  ASSERT_TRUE(display().WaitForPicture(0, TestPicture(kWidth, kHeight)));
  EXPECT_EQ(gpu().TypeOf(ResourceUnref(1)), VIRTIO_GPU_RESP_OK_NODATA);
  ExpectAlive();
  EXPECT_EQ(gpu().TypeOf(ResourceFlush(1, kAll)), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
}

TEST_F(Display, FlipsBetweenTwoResources) {
  Boot();
  Load(1, TestPicture(kWidth, kHeight, 1));
  Load(2, TestPicture(kWidth, kHeight, 2));
  for (uint32_t i = 0; i < 20; ++i) {
    const uint32_t id = 1 + i % 2;
    Show(0, id, kAll);
    Flush(id, kAll);
  }
  EXPECT_TRUE(display().WaitForPicture(0, TestPicture(kWidth, kHeight, 2)));
}

TEST_F(Display, TheLastOfManyFramesIsShown) {
  Boot();
  CreateResource(1, 640, 480);
  Show(0, 1, {0, 0, 640, 480});
  for (uint32_t i = 0; i < 100; ++i) {
    Draw(1, Picture(640, 480, i * 0x010203));
    TransferAndFlush(1, {0, 0, 640, 480});
  }
  EXPECT_TRUE(display().WaitForPicture(0, Picture(640, 480, 99 * 0x010203)));
}

TEST_F(Display, NoMessageStallsTheFrontendForLong) {
  Boot();
  Load(1, TestPicture(1920, 1080));
  Show(0, 1, {0, 0, 1920, 1080});
  Flush(1, {0, 0, 1920, 1080});
  ASSERT_TRUE(display().WaitForPicture(0, TestPicture(1920, 1080)));
  EXPECT_LE(display().state().largest_message, uint64_t{1} << 20);
}

TEST_F(Display, SaysTheDisplayInfoOfEachHead) {
  Boot(TwoHeads());
  const absl::StatusOr<GpuResponse> answer = gpu().Call(Header(VIRTIO_GPU_CMD_GET_DISPLAY_INFO));
  ASSERT_TRUE(answer.ok());
  const auto info = answer->As<virtio_gpu_resp_display_info>();
  EXPECT_EQ(info.pmodes[1].r.width, 640U);
  EXPECT_EQ(info.pmodes[1].enabled, 1U);
  EXPECT_EQ(info.pmodes[2].enabled, 0U);
}

TEST_F(Display, GivesAnEdidWhereTheFrontendCannot) {
  FrontendOptions options;
  options.display.protocol_features = 0;  // QEMU 7.2
  Boot(options);
  const absl::StatusOr<GpuResponse> answer = gpu().Call(GetEdid(0));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->type(), VIRTIO_GPU_RESP_OK_EDID);
  const auto edid = answer->As<virtio_gpu_resp_edid>();
  ASSERT_GE(edid.size, 128U);
  uint8_t sum = 0;
  for (int i = 0; i < 128; ++i) sum = static_cast<uint8_t>(sum + edid.edid[i]);
  EXPECT_EQ(sum, 0);
}

TEST_F(Display, ShowsTheCursorAndHidesIt) {
  Boot();
  const Picture cursor = TestPicture(64, 64, 3);
  CreateResource(7, 64, 64, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM);
  Draw(7, cursor);
  EXPECT_EQ(gpu().TypeOf(TransferToHost2d(7, {0, 0, 64, 64}, 0)), VIRTIO_GPU_RESP_OK_NODATA);
  EXPECT_TRUE(vm().cursor().Call(UpdateCursor(0, 7, 10, 20, 3, 4)).ok());
  EXPECT_TRUE(display().WaitFor([&](const DisplayState& state) {
    const auto found = state.cursors.find(0);
    return found != state.cursors.end() && found->second.hot_x == 3 && found->second.x == 10 &&
           found->second.pixels == cursor.pixels;
  }));
  EXPECT_TRUE(vm().cursor().Call(UpdateCursor(0, 0, 10, 20)).ok());
  EXPECT_TRUE(
      display().WaitFor([](const DisplayState& state) { return !state.cursors.at(0).visible; }));
}

TEST_F(Display, TheLastOfManyCursorMovesArrives) {
  Boot();
  for (uint32_t i = 1; i <= 1000; ++i) {
    ASSERT_TRUE(vm().cursor().Call(MoveCursor(0, i, 2 * i)).ok());
  }
  EXPECT_TRUE(display().WaitFor([](const DisplayState& state) {
    const auto found = state.cursors.find(0);
    return found != state.cursors.end() && found->second.x == 1000 && found->second.y == 2000;
  }));
}

TEST_F(Display, AFrontendThatDoesNotReadHoldsNothingUp) {
  Boot();
  CreateResource(1, 1920, 1080);
  Show(0, 1, {0, 0, 1920, 1080});
  display().Pause();
  for (uint32_t i = 0; i < 20; ++i) {
    Draw(1, TestPicture(1920, 1080, i));
    TransferAndFlush(1, {0, 0, 1920, 1080});
    EXPECT_TRUE(vm().frontend().GetConfig().ok());
    EXPECT_TRUE(vm().cursor().Call(MoveCursor(0, i, i)).ok());
  }
  display().Resume();
  EXPECT_TRUE(display().WaitForPicture(0, TestPicture(1920, 1080, 19)));
}

TEST_F(Display, AFrontendThatDoesNotReadCanStillStopTheDevice) {
  Boot();
  CreateResource(1, 1920, 1080);
  Show(0, 1, {0, 0, 1920, 1080});
  display().Pause();
  Draw(1, TestPicture(1920, 1080));
  TransferAndFlush(1, {0, 0, 1920, 1080});
  EXPECT_TRUE(vm().frontend().StopRing(kControlQueue).ok());
  EXPECT_TRUE(vm().frontend().StopRing(kCursorQueue).ok());
}

TEST_F(Display, ADisplayInfoThatIsNeverAnsweredLeavesTheRestWorking) {
  Boot();
  display().Pause();
  ASSERT_TRUE(gpu().Post(Header(VIRTIO_GPU_CMD_GET_DISPLAY_INFO)).has_value());
  gpu().Publish();
  EXPECT_TRUE(vm().cursor().Call(MoveCursor(0, 1, 1)).ok());
  EXPECT_TRUE(vm().frontend().GetConfig().ok());
  display().Resume();
  EXPECT_TRUE(gpu().WaitSlot().has_value());
}

TEST_F(Display, BytesThatNobodyAskedForAreCountedAndSurvived) {
  Boot();
  ExpectAlive();
  ExpectCounted(StatsError::kDisplayProtocol, [&] {
    const std::array<std::byte, 64> garbage{std::byte{0xee}};
    ASSERT_TRUE(display().SendRaw(garbage).ok());
  });
  EXPECT_EQ(gpu().TypeOf(ResourceCreate2d(1, 8, 8, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM)),
            VIRTIO_GPU_RESP_OK_NODATA);
}

TEST_F(Display, AReplyOfTheWrongSizeIsCountedAndSurvived) {
  Boot();
  ExpectAlive();
  ExpectCounted(StatsError::kDisplayProtocol, [&] {
    const VhostUserGpuHeader header{VHOST_USER_GPU_GET_DISPLAY_INFO, kGpuMsgReply, 0xffffffff};
    ASSERT_TRUE(display().SendRaw(BytesOf(header)).ok());
  });
  EXPECT_EQ(gpu().TypeOf(ResourceCreate2d(1, 8, 8, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM)),
            VIRTIO_GPU_RESP_OK_NODATA);
}

TEST_F(Display, ARenewedSocketGetsEverythingAgain) {
  Boot(TwoHeads());
  Load(1, TestPicture(kWidth, kHeight, 1));
  Load(2, TestPicture(kWidth, kHeight, 2));
  Show(0, 1, kAll);
  Show(1, 2, kAll);
  Flush(1, kAll);
  Flush(2, kAll);
  ASSERT_TRUE(vm().frontend().SendDisplaySocket().ok());
  EXPECT_TRUE(display().WaitForPicture(0, TestPicture(kWidth, kHeight, 1)));
  EXPECT_TRUE(display().WaitForPicture(1, TestPicture(kWidth, kHeight, 2)));
}

TEST_F(Display, ManySocketsInARowLeaveTheLastOneWorking) {
  Boot();
  Load(1, TestPicture(kWidth, kHeight));
  Show(0, 1, kAll);
  Flush(1, kAll);
  const uint64_t before = vm().backend().usage().descriptors;
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(vm().frontend().SendDisplaySocket().ok());
  EXPECT_TRUE(display().WaitForPicture(0, TestPicture(kWidth, kHeight)));
  EXPECT_LE(vm().backend().usage().descriptors, before + 1);
}

TEST_F(Display, ADisplayThatHangsUpIsSurvived) {
  Boot();
  Load(1, TestPicture(kWidth, kHeight));
  Show(0, 1, kAll);
  vm().frontend().TakeDisplay().reset();
  for (int i = 0; i < 10; ++i) {
    TransferAndFlush(1, kAll);
    EXPECT_TRUE(vm().cursor().Call(MoveCursor(0, 1, 1)).ok());
  }
  ASSERT_TRUE(vm().frontend().SendDisplaySocket().ok());
  EXPECT_TRUE(display().WaitForPicture(0, TestPicture(kWidth, kHeight)));
}

}  // namespace
}  // namespace rendercar::frontend
