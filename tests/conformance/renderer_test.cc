// 3D through the software renderer: pixels, fences, wrong commands, and renderers that die or hang.
// SPDX-License-Identifier: Apache-2.0
#include <signal.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "tests/conformance/conformance.h"
#include "tests/frontend/virgl_encoder.h"

namespace rendercar::frontend {
namespace {

constexpr uint32_t kContext = 1, kTexture = 10, kSurface = 5, kSide = 64;
constexpr Rect kAll{0, 0, kSide, kSide};
constexpr uint32_t kOk = VIRTIO_GPU_RESP_OK_NODATA;
constexpr uint32_t kTeal = 0x004080;  // 0, 64, 128 in 8 bits

class Renderer : public Conformance {
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
  }

  uint32_t Submit(uint32_t context, const VirglEncoder& stream) {
    return gpu().TypeOf(Submit3d(context, Size(stream)), stream.bytes());
  }
  static uint32_t Size(const VirglEncoder& stream) {
    return static_cast<uint32_t>(stream.bytes().size());
  }
  // A texture with backing, attached to the context, and a surface over it that is drawn to.
  void CreateTexture(uint32_t context = kContext, uint32_t id = kTexture) {
    ASSERT_EQ(gpu().TypeOf(ResourceCreate3d(id, kSide, kSide, kVirglFormatB8G8R8A8Unorm)), kOk);
    Resource texture{kSide, kSide, vm().ram().AllocateScattered(kSide * kSide * 4)};
    ASSERT_EQ(gpu().AttachBacking(id, texture.backing), kOk);
    resources_[id] = std::move(texture);
    ASSERT_EQ(gpu().TypeOf(CtxAttachResource(context, id)), kOk);
    VirglEncoder setup;
    setup.CreateSurface(kSurface, id, kVirglFormatB8G8R8A8Unorm);
    setup.SetFramebuffer(kSurface);
    ASSERT_EQ(Submit(context, setup), kOk);
  }
  void CreateContextAndTexture() {
    ASSERT_EQ(gpu().TypeOf(CtxCreate(kContext, "conformance")), kOk);
    CreateTexture();
  }
  static VirglEncoder Clear(uint32_t rgb) {
    VirglEncoder stream;
    stream.Clear({static_cast<float>(rgb >> 16 & 0xff) / 255,
                  static_cast<float>(rgb >> 8 & 0xff) / 255, static_cast<float>(rgb & 0xff) / 255,
                  1});
    return stream;
  }
  // What the texture holds, through TRANSFER_FROM_HOST_3D.
  Picture ReadTexture(uint32_t context = kContext, uint32_t id = kTexture) {
    const auto transfer =
        Transfer3d(VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D, context, id, kAll, kSide * 4);
    EXPECT_EQ(gpu().TypeOf(Fenced(transfer, ++fence_)), kOk);
    const std::vector<std::byte> bytes = ReadFrom(vm().ram(), resources_[id].backing);
    Picture picture(kSide, kSide);
    std::memcpy(picture.pixels.data(), bytes.data(), picture.pixels.size() * 4);
    return picture;
  }
  // 0 while there is none.
  pid_t RendererPid() { return RendererBelow(vm().backend().pid()); }
  void KillRenderer() {
    const pid_t pid = RendererPid();
    ASSERT_NE(pid, 0);
    const uint64_t before = Stats()[StatsValue::kRendererDeaths];
    ASSERT_EQ(::kill(pid, SIGKILL), 0);
    for (int i = 0; i < 20'000 && Stats()[StatsValue::kRendererDeaths] == before; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_GT(Stats()[StatsValue::kRendererDeaths], before);
  }

  uint64_t fence_ = 0;
};

TEST_F(Renderer, HasItsCapsets) {
  const auto config = vm().frontend().GetConfig();
  ASSERT_TRUE(config.ok());
  ASSERT_GE(config->num_capsets, 1U);
  for (uint32_t i = 0; i < config->num_capsets; ++i) {
    const absl::StatusOr<GpuResponse> info = gpu().Call(GetCapsetInfo(i));
    ASSERT_TRUE(info.ok());
    ASSERT_EQ(info->type(), VIRTIO_GPU_RESP_OK_CAPSET_INFO);
    const auto capset = info->As<virtio_gpu_resp_capset_info>();
    const absl::StatusOr<GpuResponse> data =
        gpu().Call(GetCapset(capset.capset_id, capset.capset_max_version));
    ASSERT_TRUE(data.ok());
    EXPECT_EQ(data->type(), VIRTIO_GPU_RESP_OK_CAPSET);
    EXPECT_EQ(data->written, sizeof(virtio_gpu_ctrl_hdr) + capset.capset_max_size);
  }
}

TEST_F(Renderer, AnswersACapsetBeyondTheLastWithAnError) {
  const auto config = vm().frontend().GetConfig();
  ExpectAnyCounted([&] {
    const uint32_t type = gpu().TypeOf(GetCapsetInfo(config->num_capsets));
    EXPECT_TRUE((type & 0xff00U) == 0x1200U || type == VIRTIO_GPU_RESP_OK_CAPSET_INFO);
    EXPECT_EQ(gpu().TypeOf(GetCapset(77, 1)) & 0xff00U, 0x1200U);
  });
}

TEST_F(Renderer, ClearsATextureAndGivesThePixelsBack) {
  CreateContextAndTexture();
  ASSERT_EQ(Submit(kContext, Clear(kTeal)), kOk);
  EXPECT_EQ(CountDifferent(ReadTexture(), Picture(kSide, kSide, kTeal)), 0U);
  ASSERT_EQ(Submit(kContext, Clear(0xff00ff)), kOk);
  EXPECT_EQ(CountDifferent(ReadTexture(), Picture(kSide, kSide, 0xff00ff)), 0U);
}

TEST_F(Renderer, TakesPixelsFromTheGuest) {
  CreateContextAndTexture();
  const Picture wanted = TestPicture(kSide, kSide);
  Draw(kTexture, wanted);
  // Fenced: only then has the device read the backing when it answers.
  const auto transfer =
      Transfer3d(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, kContext, kTexture, kAll, kSide * 4);
  ASSERT_EQ(gpu().TypeOf(Fenced(transfer, ++fence_)), kOk);
  Draw(kTexture, Picture(kSide, kSide));
  EXPECT_EQ(CountDifferent(ReadTexture(), wanted), 0U);
}

TEST_F(Renderer, ShowsA3dScanout) {
  CreateContextAndTexture();
  ASSERT_EQ(gpu().TypeOf(SetScanout(0, kTexture, kAll)), kOk);
  ASSERT_EQ(Submit(kContext, Clear(kTeal)), kOk);
  ASSERT_EQ(gpu().TypeOf(ResourceFlush(kTexture, kAll)), kOk);
  EXPECT_TRUE(display().WaitForPicture(0, Picture(kSide, kSide, kTeal)));
  ASSERT_EQ(Submit(kContext, Clear(0x336699)), kOk);
  ASSERT_EQ(gpu().TypeOf(ResourceFlush(kTexture, kAll)), kOk);
  EXPECT_TRUE(display().WaitForPicture(0, Picture(kSide, kSide, 0x336699)));
  EXPECT_THAT(display().state().breaches, testing::IsEmpty());
}

TEST_F(Renderer, DrawsIntoA2dResource) {
  ASSERT_EQ(gpu().TypeOf(CtxCreate(kContext, "2d")), kOk);
  CreateResource(kTexture, kSide, kSide, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM);
  ASSERT_EQ(gpu().TypeOf(SetScanout(0, kTexture, kAll)), kOk);
  ASSERT_EQ(gpu().TypeOf(CtxAttachResource(kContext, kTexture)), kOk);
  VirglEncoder stream;
  stream.CreateSurface(kSurface, kTexture, kVirglFormatB8G8R8A8Unorm);
  stream.SetFramebuffer(kSurface);
  ASSERT_EQ(Submit(kContext, stream), kOk);
  ASSERT_EQ(Submit(kContext, Clear(kTeal)), kOk);
  ASSERT_EQ(gpu().TypeOf(ResourceFlush(kTexture, kAll)), kOk);
  EXPECT_TRUE(display().WaitForPicture(0, Picture(kSide, kSide, kTeal)));
}

TEST_F(Renderer, StartsOnlyWhen3dIsUsed) {
  ASSERT_EQ(gpu().TypeOf(CtxCreate(kContext, "console")), kOk);
  CreateResource(1, kSide, kSide);
  ASSERT_EQ(gpu().TypeOf(CtxAttachResource(kContext, 1)), kOk);
  TransferAndFlush(1, kAll);
  EXPECT_EQ(RendererPid(), 0);
}

TEST_F(Renderer, FencesOfOneTimelineEndInOrder) {
  CreateContextAndTexture();
  const VirglEncoder clear = Clear(kTeal);
  constexpr uint64_t kHigh = uint64_t{0xabcd} << 32;
  for (uint64_t i = 0; i < 100; ++i) {
    ASSERT_TRUE(gpu().Post(Fenced(Submit3d(kContext, Size(clear)), kHigh + i), clear.bytes()));
  }
  gpu().Publish();
  for (uint64_t i = 0; i < 100; ++i) {
    const std::optional<uint32_t> slot = gpu().WaitSlot();
    ASSERT_TRUE(slot.has_value());
    EXPECT_EQ(gpu().ResponseHeader(*slot).type, kOk);
    EXPECT_EQ(gpu().ResponseHeader(*slot).fence_id, kHigh + i);
  }
}

TEST_F(Renderer, AFenced2dCommandWaitsForEarlier3dWork) {
  CreateContextAndTexture();
  CreateResource(1, kSide, kSide);
  const VirglEncoder clear = Clear(kTeal);
  for (uint64_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(gpu().Post(Fenced(Submit3d(kContext, Size(clear)), 2 * i), clear.bytes()));
    ASSERT_TRUE(gpu().Post(Fenced(TransferToHost2d(1, kAll, 0), 2 * i + 1)));
  }
  gpu().Publish();
  for (uint64_t i = 0; i < 40; ++i) {
    const std::optional<uint32_t> slot = gpu().WaitSlot();
    ASSERT_TRUE(slot.has_value());
    EXPECT_EQ(gpu().ResponseHeader(*slot).fence_id, i);
  }
}

TEST_F(Renderer, WrongCommandsGetTheSpecificationsErrors) {
  CreateContextAndTexture();
  const VirglEncoder clear = Clear(kTeal);
  const auto expect = [&](uint32_t type, std::vector<uint32_t> allowed, const char* what) {
    EXPECT_EQ(std::count(allowed.begin(), allowed.end(), type), 1)
        << what << " was answered " << std::hex << type;
  };
  const uint32_t unspec = VIRTIO_GPU_RESP_ERR_UNSPEC,
                 context = VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID,
                 resource = VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
                 parameter = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
                 memory = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
  const uint64_t before = CountedErrors();
  expect(gpu().TypeOf(CtxCreate(0, "zero")), {context, parameter}, "context 0");
  expect(gpu().TypeOf(CtxCreate(kContext, "again")), {context, unspec, parameter}, "a used id");
  expect(gpu().TypeOf(CtxDestroy(99)), {context}, "an unknown context");
  expect(gpu().TypeOf(CtxAttachResource(99, kTexture)), {context}, "attach to nothing");
  expect(gpu().TypeOf(CtxAttachResource(kContext, 99)), {resource}, "attach of nothing");
  expect(gpu().TypeOf(CtxDetachResource(kContext, 99)), {resource}, "detach of nothing");
  expect(Submit(99, clear), {context}, "submit to nothing");
  expect(gpu().TypeOf(Submit3d(kContext, 0xfffffffc), clear.bytes()), {unspec, parameter},
         "submit of 4 GiB");
  expect(gpu().TypeOf(Submit3d(kContext, Size(clear) + 4), clear.bytes()), {unspec, parameter},
         "submit of more than its bytes");
  expect(gpu().TypeOf(Submit3d(kContext, 6), clear.bytes()), {unspec, parameter},
         "submit of half a word");
  expect(gpu().TypeOf(ResourceCreate3d(0, 8, 8, 1)), {resource}, "resource 0");
  expect(gpu().TypeOf(ResourceCreate3d(kTexture, 8, 8, 1)), {resource}, "a used resource id");
  expect(gpu().TypeOf(ResourceCreate3d(50, 0xffffffff, 0xffffffff, 1)), {unspec, parameter, memory},
         "a huge texture");
  expect(gpu().TypeOf(Transfer3d(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, 99, kTexture, kAll, 256)),
         {context}, "transfer in nothing");
  expect(gpu().TypeOf(Transfer3d(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, kContext, 99, kAll, 256)),
         {resource}, "transfer of nothing");
  EXPECT_GE(CountedErrors(), before + 14);
  ASSERT_EQ(Submit(kContext, Clear(0x102030)), kOk);
  EXPECT_EQ(CountDifferent(ReadTexture(), Picture(kSide, kSide, 0x102030)), 0U);
}

TEST_F(Renderer, TransfersOutsideTheTextureLeaveTheRestWorking) {
  CreateContextAndTexture();
  // In a context of their own: virglrenderer ends one that breaks its rules.
  ASSERT_EQ(gpu().TypeOf(CtxCreate(2, "wrong")), kOk);
  ASSERT_EQ(gpu().TypeOf(CtxAttachResource(2, kTexture)), kOk);
  for (const Rect& rect : {Rect{60, 0, 8, 8}, Rect{0xfffffff0, 0, 32, 8}, Rect{0, 0, 0, 0},
                           Rect{0, 0, 0xffffffff, 0xffffffff}}) {
    for (const uint32_t type :
         {VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D}) {
      EXPECT_NE(gpu().TypeOf(Transfer3d(type, 2, kTexture, rect, 256)), 0U);
    }
  }
  auto far = Transfer3d(VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D, 2, kTexture, kAll, 256);
  far.offset = ~uint64_t{0} - 64;
  EXPECT_NE(gpu().TypeOf(Fenced(far, ++fence_)), 0U);
  ASSERT_EQ(Submit(kContext, Clear(kTeal)), kOk);
  EXPECT_EQ(CountDifferent(ReadTexture(), Picture(kSide, kSide, kTeal)), 0U);
}

TEST_F(Renderer, GarbageInOneContextLeavesTheOtherWorking) {
  CreateContextAndTexture();
  ASSERT_EQ(gpu().TypeOf(CtxCreate(2, "garbage")), kOk);
  uint32_t random = 7;
  for (int i = 0; i < 200; ++i) {
    std::vector<uint32_t> words(16);
    for (uint32_t& word : words) word = random = random * 1664525U + 1013904223U;
    VirglEncoder stream;
    stream.Command(random >> 24 & 0x3f, random >> 16 & 0xf, words);
    EXPECT_NE(gpu().TypeOf(Fenced(Submit3d(2, Size(stream)), ++fence_), stream.bytes()), 0U);
  }
  ASSERT_EQ(Submit(kContext, Clear(kTeal)), kOk);
  EXPECT_EQ(CountDifferent(ReadTexture(), Picture(kSide, kSide, kTeal)), 0U);
}

TEST_F(Renderer, ARendererThatIsKilledIsReplaced) {
  CreateContextAndTexture();
  ASSERT_EQ(Submit(kContext, Clear(kTeal)), kOk);
  KillRenderer();
  // The old context is lost; what the guest does in it is answered, with an error or without.
  EXPECT_NE(Submit(kContext, Clear(kTeal)), 0U);
  ASSERT_EQ(gpu().TypeOf(CtxCreate(3, "after")), kOk);
  CreateTexture(3, 30);
  ASSERT_EQ(Submit(3, Clear(0x0a0b0c)), kOk);
  EXPECT_EQ(CountDifferent(ReadTexture(3, 30), Picture(kSide, kSide, 0x0a0b0c)), 0U);
}

TEST_F(Renderer, ARendererThatIsKilledAnswersWhatIsInFlight) {
  CreateContextAndTexture();
  const pid_t pid = RendererPid();
  ASSERT_EQ(::kill(pid, SIGSTOP), 0);
  const VirglEncoder clear = Clear(kTeal);
  for (uint64_t i = 0; i < 32; ++i) {
    ASSERT_TRUE(gpu().Post(Fenced(Submit3d(kContext, Size(clear)), 100 + i), clear.bytes()));
  }
  gpu().Publish();
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
  for (uint64_t i = 0; i < 32; ++i) {
    const std::optional<uint32_t> slot = gpu().WaitSlot();
    ASSERT_TRUE(slot.has_value());
    const virtio_gpu_ctrl_hdr hdr = gpu().ResponseHeader(*slot);
    EXPECT_EQ(hdr.flags & VIRTIO_GPU_FLAG_FENCE, uint32_t{VIRTIO_GPU_FLAG_FENCE});
    EXPECT_EQ(hdr.fence_id, 100 + i);
  }
  ExpectAlive();
}

TEST_F(Renderer, TheConsoleOutlivesTheRenderer) {
  CreateContextAndTexture();
  CreateResource(1, 320, 200);
  ASSERT_EQ(gpu().TypeOf(SetScanout(0, 1, {0, 0, 320, 200})), kOk);
  KillRenderer();
  Draw(1, TestPicture(320, 200));
  TransferAndFlush(1, {0, 0, 320, 200});
  EXPECT_TRUE(display().WaitForPicture(0, TestPicture(320, 200)));
}

TEST_F(Renderer, ARendererThatHangsStopsNeitherConfigNorPause) {
  CreateContextAndTexture();
  ASSERT_EQ(::kill(RendererPid(), SIGSTOP), 0);
  const VirglEncoder clear = Clear(kTeal);
  ASSERT_TRUE(gpu().Post(Fenced(Submit3d(kContext, Size(clear)), 1), clear.bytes()));
  gpu().Publish();
  EXPECT_TRUE(vm().frontend().GetConfig().ok());
  EXPECT_TRUE(vm().Pause().ok());
  EXPECT_TRUE(vm().Resume().ok());
  EXPECT_TRUE(gpu().WaitSlot().has_value());
  ExpectAlive();
}

TEST_F(Renderer, APauseKeepsContextsAndTextures) {
  CreateContextAndTexture();
  ASSERT_EQ(Submit(kContext, Clear(kTeal)), kOk);
  ASSERT_TRUE(vm().Pause().ok());
  ASSERT_TRUE(vm().Resume().ok());
  EXPECT_EQ(CountDifferent(ReadTexture(), Picture(kSide, kSide, kTeal)), 0U);
}

TEST_F(Renderer, AResetDropsContextsAndLeaksNothing) {
  const auto use = [&] {
    resources_.clear();
    const uint64_t mark = vm().ram().mark();
    CreateContextAndTexture();
    ASSERT_EQ(Submit(kContext, Clear(kTeal)), kOk);
    EXPECT_EQ(CountDifferent(ReadTexture(), Picture(kSide, kSide, kTeal)), 0U);
    ASSERT_TRUE(vm().Reset().ok());
    EXPECT_EQ(Submit(kContext, Clear(kTeal)), VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
    vm().ram().ReleaseTo(mark);
  };
  for (int i = 0; i < 3; ++i) use();
  const ProcessUsage before = vm().backend().usage();
  for (int i = 0; i < 20; ++i) use();
  const ProcessUsage after = vm().backend().usage();
  EXPECT_LE(after.descriptors, before.descriptors + 1);
  EXPECT_LE(after.mappings, before.mappings + 4);
  EXPECT_LE(after.rss_bytes, before.rss_bytes + (1U << 20));
}

TEST_F(Renderer, LeavesNoProcessBehind) {
  CreateContextAndTexture();
  const pid_t pid = RendererPid();
  ASSERT_NE(pid, 0);
  channel().Close();
  ASSERT_TRUE(vm().backend().WaitEnd(std::chrono::seconds(20)).has_value());
  for (int i = 0; i < 5'000 && ::kill(pid, 0) == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_NE(::kill(pid, 0), 0);
}

}  // namespace
}  // namespace rendercar::frontend
