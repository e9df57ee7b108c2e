// What somebody gets who asks for what a head shows.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "backend/gpu/device_fixture.h"

namespace rendercar::gpu {
namespace {

using screenshot::Outcome;

constexpr uint32_t kOk = VIRTIO_GPU_RESP_OK_NODATA;
constexpr uint32_t kWidth = 200, kHeight = 100;
constexpr virtio_gpu_rect kAll{0, 0, kWidth, kHeight};

// A resource of 200x100 whose pixels are their own numbers.
void MakePicture(DeviceFixture& device) {
  for (uint32_t i = 0; i < kWidth * kHeight; ++i)
    std::memcpy(device.guest(i * size_t{4}), &i, sizeof(i));
  ASSERT_EQ(device.Create2d(1, kWidth, kHeight), kOk);
  ASSERT_EQ(device.Attach(1, 0, kWidth * kHeight * 4), kOk);
  ASSERT_EQ(device.Transfer(1, kAll, 0), kOk);
}

std::vector<uint32_t> PixelsOf(const Screenshot& shot) {
  std::vector<uint32_t> pixels(size_t{shot.width} * shot.height);
  const size_t size = pixels.size() * sizeof(uint32_t);
  EXPECT_TRUE(SealAgainstShrinking(shot.pixels.get(), size).ok());
  const auto mapping = Mapping::Map(shot.pixels.get(), 0, size, Mapping::Access::kReadOnly);
  EXPECT_TRUE(mapping.ok()) << mapping.status();
  if (mapping.ok()) std::memcpy(pixels.data(), mapping->bytes().data(), size);
  return pixels;
}

TEST(DeviceScreenshot, IsWhatTheHeadShows) {
  DeviceFixture device;
  MakePicture(device);
  ASSERT_EQ(device.SetScanout(0, 1, kAll), kOk);
  const Screenshot shot = device.device_->TakeScreenshot(0);
  ASSERT_EQ(shot.outcome, Outcome::kPicture);
  ASSERT_EQ(shot.width, kWidth);
  ASSERT_EQ(shot.height, kHeight);
  const auto pixels = PixelsOf(shot);
  for (uint32_t i = 0; i < pixels.size(); ++i) ASSERT_EQ(pixels[i], i);
}

TEST(DeviceScreenshot, IsOnlyThePartThatTheHeadShows) {
  DeviceFixture device;
  MakePicture(device);
  ASSERT_EQ(device.SetScanout(3, 1, {50, 20, 30, 10}), kOk);
  const Screenshot shot = device.device_->TakeScreenshot(3);
  ASSERT_EQ(shot.width, 30u);
  ASSERT_EQ(shot.height, 10u);
  const auto pixels = PixelsOf(shot);
  EXPECT_EQ(pixels.front(), 20 * kWidth + 50);
  EXPECT_EQ(pixels.back(), 29 * kWidth + 79);
}

TEST(DeviceScreenshot, NeedsNoDisplay) {
  DeviceFixture device;
  MakePicture(device);
  ASSERT_EQ(device.SetScanout(0, 1, kAll), kOk);
  { const DisplayPeer gone = device.Connect(); }
  EXPECT_EQ(device.device_->TakeScreenshot(0).outcome, Outcome::kPicture);
}

TEST(DeviceScreenshot, IsNothingWhereNothingIsShown) {
  DeviceFixture device;
  MakePicture(device);
  EXPECT_EQ(device.device_->TakeScreenshot(0).outcome, Outcome::kNothing);
  EXPECT_EQ(device.device_->TakeScreenshot(VIRTIO_GPU_MAX_SCANOUTS).outcome, Outcome::kNothing);
  EXPECT_EQ(device.device_->TakeScreenshot(UINT32_MAX).outcome, Outcome::kNothing);
}

TEST(DeviceScreenshot, IsNothingOfAHeadlessDevice) {
  DeviceFixture device({.headless = true});
  MakePicture(device);
  ASSERT_EQ(device.SetScanout(0, 1, kAll), kOk);
  EXPECT_EQ(device.device_->TakeScreenshot(0).outcome, Outcome::kNothing);
}

TEST(DeviceScreenshot, OfATooLargePictureIsRefused) {
  GpuDevice::Options options;
  options.limits.resource_bytes = uint64_t{4} << 30;
  DeviceFixture device(options);
  ASSERT_EQ(device.Create2d(1, 16384, 8192), kOk);
  ASSERT_EQ(device.SetScanout(0, 1, {0, 0, 16384, 8192}), kOk);
  EXPECT_EQ(device.device_->TakeScreenshot(0).outcome, Outcome::kNoMemory);
}

}  // namespace
}  // namespace rendercar::gpu
