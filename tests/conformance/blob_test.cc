// Blob resources, from a frontend that passes RESOURCE_BLOB on (QEMU after 11.1).
// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/conformance.h"
#include "tests/frontend/virgl_encoder.h"

namespace rendercar::frontend {
namespace {

constexpr uint32_t kWidth = 96, kHeight = 80, kId = 4711;
constexpr Rect kAll{0, 0, kWidth, kHeight};
constexpr uint32_t kOk = VIRTIO_GPU_RESP_OK_NODATA;
constexpr uint32_t kXrgb = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM;

class Blob : public Conformance {
 protected:
  void BootWithBlobs(bool virgl = false) {
    FrontendOptions options;
    options.virgl = virgl;
    options.extra_features = Bit(VIRTIO_GPU_F_RESOURCE_BLOB) | Bit(VIRTIO_GPU_F_CONTEXT_INIT) |
                             Bit(VIRTIO_GPU_F_RESOURCE_UUID);
    options.display.heads = {{1280, 800, true}, {640, 480, true}};
    Boot(options);
  }
  // A blob of scattered guest pages for a framebuffer of kWidth x kHeight.
  void CreateBlob(uint32_t id = kId) {
    const size_t size = size_t{kWidth} * kHeight * 4;
    Resource resource{kWidth, kHeight, vm().ram().AllocateScattered(size)};
    const std::vector<std::byte> entries = GpuDriver::Entries(resource.backing);
    ASSERT_EQ(gpu().TypeOf(ResourceCreateBlob(id, VIRTIO_GPU_BLOB_MEM_GUEST,
                                              static_cast<uint32_t>(resource.backing.size()), size),
                           entries),
              kOk);
    resources_[id] = std::move(resource);
  }
  void Show(uint32_t scanout, const Rect& part, uint32_t id = kId) {
    EXPECT_EQ(gpu().TypeOf(SetScanoutBlob(scanout, id, part, kWidth, kHeight, kXrgb)), kOk);
  }
  void Flush(uint32_t id = kId) { EXPECT_EQ(gpu().TypeOf(ResourceFlush(id, kAll)), kOk); }
};

TEST_F(Blob, IsOfferedToThoseWhoCanUseIt) {
  BootWithBlobs();
  EXPECT_NE(vm().frontend().offered_features() & Bit(VIRTIO_GPU_F_RESOURCE_BLOB), 0U);
  CreateBlob();
  EXPECT_EQ(gpu().TypeOf(ResourceAssignUuid(kId)), VIRTIO_GPU_RESP_OK_RESOURCE_UUID);
}

TEST_F(Blob, IsRefusedToADriverThatDidNotTakeIt) {
  Boot();
  EXPECT_EQ(gpu().TypeOf(ResourceCreateBlob(1, VIRTIO_GPU_BLOB_MEM_GUEST, 0, 4096)),
            VIRTIO_GPU_RESP_ERR_UNSPEC);
  EXPECT_EQ(gpu().TypeOf(SetScanoutBlob(0, 1, kAll, kWidth, kHeight, kXrgb)),
            VIRTIO_GPU_RESP_ERR_UNSPEC);
}

TEST_F(Blob, OfTheGuestIsShownWithoutATransfer) {
  BootWithBlobs();
  CreateBlob();
  Show(0, kAll);
  for (uint32_t seed = 1; seed <= 5; ++seed) {
    Draw(kId, TestPicture(kWidth, kHeight, seed));
    Flush();
    EXPECT_TRUE(display().WaitForPicture(0, TestPicture(kWidth, kHeight, seed)));
  }
  EXPECT_THAT(display().state().breaches, testing::IsEmpty());
}

TEST_F(Blob, IsShownOnTwoHeadsAndByParts) {
  BootWithBlobs();
  CreateBlob();
  Show(0, kAll);
  Show(1, {kWidth / 2, 0, kWidth / 2, kHeight});
  const Picture whole = TestPicture(kWidth, kHeight);
  Draw(kId, whole);
  Flush();
  Picture right(kWidth / 2, kHeight);
  for (uint32_t y = 0; y < kHeight; ++y)
    for (uint32_t x = 0; x < right.width; ++x) right.Row(y)[x] = whole.At(kWidth / 2 + x, y);
  EXPECT_TRUE(display().WaitForPicture(0, whole));
  EXPECT_TRUE(display().WaitForPicture(1, right));
}

TEST_F(Blob, IsShownAgainAfterAPauseAndGoneAfterAReset) {
  BootWithBlobs();
  CreateBlob();
  Show(0, kAll);
  Draw(kId, TestPicture(kWidth, kHeight));
  Flush();
  ASSERT_TRUE(vm().Pause().ok());
  ASSERT_TRUE(vm().Resume().ok());
  EXPECT_TRUE(display().WaitForPicture(0, TestPicture(kWidth, kHeight)));
  ASSERT_TRUE(vm().Reset().ok());
  EXPECT_EQ(gpu().TypeOf(ResourceUnref(kId)), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
}

TEST_F(Blob, CountsOf4294967295AndWrappingSizesAreRefused) {
  BootWithBlobs();
  const GuestSpan span{0, 4096};
  const std::vector<std::byte> one = GpuDriver::Entries({&span, 1});
  ExpectAnyCounted([&] {
    EXPECT_EQ(gpu().TypeOf(ResourceCreateBlob(1, VIRTIO_GPU_BLOB_MEM_GUEST, 0xffffffff, 4096), one),
              VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
  });
  EXPECT_EQ(gpu().TypeOf(ResourceCreateBlob(1, VIRTIO_GPU_BLOB_MEM_GUEST, 1, ~uint64_t{0}), one),
            VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
  CreateBlob();
  auto far = SetScanoutBlob(0, kId, kAll, kWidth, kHeight, kXrgb);
  far.offsets[0] = 0xffffffff;
  EXPECT_EQ(gpu().TypeOf(far), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
  far = SetScanoutBlob(0, kId, kAll, kWidth, kHeight, kXrgb);
  far.strides[0] = 0xffffffff;
  EXPECT_EQ(gpu().TypeOf(far), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
  EXPECT_EQ(gpu().TypeOf(ResourceFlush(kId, {8, 8, 0xffffffff, 0xffffffff})),
            VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
  ExpectAlive();
}

TEST_F(Blob, OfTheHostThatNoContextHasIsRefused) {
  BootWithBlobs(/*virgl=*/true);
  if ((vm().frontend().offered_features() & Bit(VIRTIO_GPU_F_VIRGL)) == 0)
    GTEST_SKIP() << "SKIPPED: the backend finds no virglrenderer that works here";
  EXPECT_EQ(gpu().TypeOf(ResourceCreateBlob(1, VIRTIO_GPU_BLOB_MEM_HOST3D, 0, 4096, 1)),
            VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
  ASSERT_EQ(gpu().TypeOf(CtxCreate(1, "blobs")), kOk);
  // virglrenderer knows no object 0 of this context.
  EXPECT_EQ(gpu().TypeOf(ResourceCreateBlob(1, VIRTIO_GPU_BLOB_MEM_HOST3D, 0, 4096, 1)),
            VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
  EXPECT_EQ(gpu().TypeOf(ResourceUnref(1)), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
}

TEST_F(Blob, OfTheGuestIsMadeKnownToVirglWhenAStreamNamesIt) {
  BootWithBlobs(/*virgl=*/true);
  if ((vm().frontend().offered_features() & Bit(VIRTIO_GPU_F_VIRGL)) == 0)
    GTEST_SKIP() << "SKIPPED: the backend finds no virglrenderer that works here";
  ASSERT_EQ(gpu().TypeOf(CtxCreate(1, "blobs")), kOk);
  CreateBlob();
  ASSERT_EQ(gpu().TypeOf(CtxAttachResource(1, kId)), kOk);
  VirglEncoder stream;
  const uint32_t words[] = {kId};
  stream.Command(0, 0, words);  // a NOP that names it
  EXPECT_EQ(gpu().TypeOf(Fenced(Submit3d(1, static_cast<uint32_t>(stream.bytes().size())), 1),
                         stream.bytes()),
            kOk);
  Show(0, kAll);
  Draw(kId, TestPicture(kWidth, kHeight));
  Flush();
  EXPECT_TRUE(display().WaitForPicture(0, TestPicture(kWidth, kHeight)));
  EXPECT_EQ(gpu().TypeOf(ResourceUnref(kId)), kOk);
}

TEST_F(Blob, AContextOfACapabilitySetHasTimelinesOfItsOwn) {
  BootWithBlobs(/*virgl=*/true);
  if ((vm().frontend().offered_features() & Bit(VIRTIO_GPU_F_CONTEXT_INIT)) == 0)
    GTEST_SKIP() << "SKIPPED: the backend finds no virglrenderer that works here";
  auto create = CtxCreate(1, "virgl2");
  create.context_init = 77;  // not offered
  EXPECT_EQ(gpu().TypeOf(create), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
  create.context_init = 2;
  ASSERT_EQ(gpu().TypeOf(create), kOk);
  VirglEncoder nop;
  nop.Nop();
  for (uint8_t ring = 0; ring < 64; ++ring) {
    auto submit =
        Fenced(Submit3d(1, static_cast<uint32_t>(nop.bytes().size())), (uint64_t{ring} << 40) + 1);
    submit.hdr.flags |= VIRTIO_GPU_FLAG_INFO_RING_IDX;
    submit.hdr.ring_idx = ring;
    const absl::StatusOr<GpuResponse> answer = gpu().Call(submit, nop.bytes());
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->type(), kOk);
    EXPECT_EQ(answer->header().fence_id, (uint64_t{ring} << 40) + 1);
    EXPECT_EQ(answer->header().ring_idx, ring);
    EXPECT_EQ(answer->header().ctx_id, 1U);
  }
  auto beyond = Fenced(Submit3d(1, static_cast<uint32_t>(nop.bytes().size())), 9);
  beyond.hdr.flags |= VIRTIO_GPU_FLAG_INFO_RING_IDX;
  beyond.hdr.ring_idx = 64;
  EXPECT_EQ(gpu().TypeOf(beyond, nop.bytes()), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
}

}  // namespace
}  // namespace rendercar::frontend
