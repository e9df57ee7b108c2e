// 3D textures of every format that a head can show, and command streams that change while they are
// read.
// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <atomic>
#include <cstring>
#include <thread>

#include "tests/conformance/conformance.h"
#include "tests/conformance/pixel_formats.h"
#include "tests/frontend/virgl_encoder.h"

namespace rendercar::frontend {
namespace {

constexpr uint32_t kContext = 1, kTexture = 10, kSide = 64;
constexpr Rect kAll{0, 0, kSide, kSide};
constexpr uint32_t kOk = VIRTIO_GPU_RESP_OK_NODATA;

class Textures : public Conformance {
 protected:
  void SetUp() override {
    Conformance::SetUp();
    if (IsSkipped()) return;
    FrontendOptions options;
    options.virgl = true;
    Boot(options);
    if ((vm().frontend().offered_features() & Bit(VIRTIO_GPU_F_VIRGL)) == 0) {
      GTEST_SKIP() << "SKIPPED: the backend finds no virglrenderer that works here";
    }
    ASSERT_EQ(gpu().TypeOf(CtxCreate(kContext, "textures")), kOk);
  }
  void AttachBacking() {
    Resource texture{kSide, kSide, vm().ram().AllocateScattered(kSide * kSide * 4)};
    ASSERT_EQ(gpu().AttachBacking(kTexture, texture.backing), kOk);
    resources_[kTexture] = std::move(texture);
    ASSERT_EQ(gpu().TypeOf(CtxAttachResource(kContext, kTexture)), kOk);
  }
};

class TextureFormat : public Textures, public testing::WithParamInterface<PixelFormat> {};

TEST_P(TextureFormat, IsShownWithTheRightColoursOrRefused) {
  const uint32_t made = gpu().TypeOf(ResourceCreate3d(kTexture, kSide, kSide, GetParam().format));
  if (made != kOk) {  // virglrenderer has no such texture on this OpenGL
    EXPECT_EQ(made, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    EXPECT_NE(GetParam().format, uint32_t{VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM});  // Linux's own
    EXPECT_NE(GetParam().format, uint32_t{VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM});
    GTEST_SKIP() << "SKIPPED: virglrenderer refuses textures of this format here";
  }
  AttachBacking();
  const Picture wanted = TestPicture(kSide, kSide);
  WriteTo(vm().ram(), resources_[kTexture].backing, GetParam().Encode(wanted));
  const auto upload =
      Transfer3d(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, kContext, kTexture, kAll, kSide * 4);
  ASSERT_EQ(gpu().TypeOf(Fenced(upload, 1)), kOk);
  ASSERT_EQ(gpu().TypeOf(SetScanout(0, kTexture, kAll)), kOk);
  ASSERT_EQ(gpu().TypeOf(ResourceFlush(kTexture, kAll)), kOk);
  EXPECT_TRUE(display().WaitForPicture(0, wanted));
  EXPECT_THAT(display().state().breaches, testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Virtio12, TextureFormat, testing::ValuesIn([] {
                           std::vector<PixelFormat> formats(std::begin(kVirtioFormats),
                                                            std::end(kVirtioFormats));
                           formats.push_back({"B8G8R8A8_SRGB", 100, {2, 1, 0}});
                           formats.push_back({"B8G8R8X8_SRGB", 101, {2, 1, 0}});
                           formats.push_back({"R8G8B8A8_SRGB", 104, {0, 1, 2}});
                           return formats;
                         }()),
                         [](const auto& format) { return format.param.name; });

TEST_F(Textures, StreamsThatChangeWhileTheyAreReadEndNothing) {
  ASSERT_EQ(gpu().TypeOf(CtxCreate(2, "changing")), kOk);
  VirglEncoder stream;
  for (int i = 0; i < 64; ++i) stream.Clear({0, 0, 1, 1});
  const uint64_t request = vm().ram().Allocate(8192), answer = vm().ram().Allocate(4096);
  const auto size = static_cast<uint32_t>(stream.bytes().size());
  const virtio_gpu_cmd_submit command = Submit3d(2, size);
  const std::span<std::byte> bytes = vm().ram().At(request, sizeof(command) + size);
  std::memcpy(bytes.data(), &command, sizeof(command));
  std::memcpy(bytes.data() + sizeof(command), stream.bytes().data(), size);
  std::atomic<bool> stop{false};
  std::thread scribbler([&] {
    uint32_t random = 1;
    while (!stop) {
      random = random * 1664525U + 1013904223U;
      const size_t at = sizeof(command) + (random >> 8) % size;
      reinterpret_cast<volatile uint8_t&>(bytes[at]) = static_cast<uint8_t>(random >> 24);
    }
  });
  const Buffer buffers[] = {{request, static_cast<uint32_t>(bytes.size()), false},
                            {answer, 4096, true}};
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(gpu().queue().Add(buffers).has_value());
    gpu().queue().Publish();
    ASSERT_TRUE(gpu().queue().WaitUsed(GpuDriver::kTimeout));
    gpu().queue().Take();
  }
  stop = true;
  scribbler.join();
  EXPECT_EQ(gpu().TypeOf(ResourceCreate3d(kTexture, kSide, kSide, kVirglFormatB8G8R8A8Unorm)), kOk);
}

}  // namespace
}  // namespace rendercar::frontend
