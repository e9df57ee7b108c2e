// Blob resources: guest memory that heads show as it is, and memory of contexts.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/device_3d_fixture.h"

namespace rendercar::gpu {
namespace {

constexpr uint32_t kGuestMemory = VIRTIO_GPU_BLOB_MEM_GUEST, kHost3d = VIRTIO_GPU_BLOB_MEM_HOST3D,
                   kHost3dGuest = VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST;
constexpr uint32_t kBadScanout = VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
constexpr uint32_t kXrgb = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM;

class Blob : public Device3d {
 protected:
  static constexpr uint32_t kWidth = 128, kHeight = 32, kBytes = kWidth * kHeight * 4;
  static constexpr virtio_gpu_rect kAll{0, 0, kWidth, kHeight};

  uint16_t Start(uint32_t id, uint32_t memory, const std::vector<virtio_gpu_mem_entry>& entries,
                 uint64_t size, uint32_t flags = 0) {
    virtio_gpu_resource_create_blob wire{};
    wire.hdr = Header(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, 1);
    wire.resource_id = id;
    wire.blob_mem = memory;
    wire.blob_flags = flags;
    wire.blob_id = 0x1122334455667788;
    wire.nr_entries = static_cast<uint32_t>(entries.size());
    wire.size = size;
    const auto bytes = std::as_bytes(std::span(entries));
    return device_.Start({DeviceFixture::Bytes(wire), {bytes.begin(), bytes.end()}});
  }
  uint32_t Create(uint32_t id, uint64_t offset = 0, uint64_t size = kBytes) {
    return TypeOf(
        Start(id, kGuestMemory, {{kGuestBase + offset, static_cast<uint32_t>(size), 0}}, size));
  }
  struct Framebuffer {
    uint32_t width = kWidth, height = kHeight, format = kXrgb, stride = kWidth * 4, offset = 0;
  };
  uint32_t Show(uint32_t scanout, uint32_t id, virtio_gpu_rect rect, const Framebuffer& fb) {
    virtio_gpu_set_scanout_blob wire{};
    wire.hdr = Header(VIRTIO_GPU_CMD_SET_SCANOUT_BLOB, 0);
    wire.r = rect;
    wire.scanout_id = scanout;
    wire.resource_id = id;
    wire.width = fb.width;
    wire.height = fb.height;
    wire.format = fb.format;
    wire.strides[0] = fb.stride;
    wire.offsets[0] = fb.offset;
    return device_.Do(wire);
  }
  uint32_t Show(uint32_t scanout, uint32_t id) { return Show(scanout, id, kAll, {}); }
  void Paint(uint32_t colour, uint64_t offset = 0, size_t pixels = kBytes / 4) {
    for (size_t i = 0; i < pixels; ++i) std::memcpy(device_.guest(offset) + 4 * i, &colour, 4);
  }
  // Bytes of pixels that arrived, by scanout and colour.
  std::map<std::pair<uint32_t, uint32_t>, size_t> Read() {
    std::map<std::pair<uint32_t, uint32_t>, size_t> bytes;
    device_.NextFrame();
    for (const auto& message : peer_.Read()) {
      if (message.request != wire::VHOST_USER_GPU_UPDATE) continue;
      const auto update = message.As<wire::VhostUserGpuUpdate>();
      for (size_t at = sizeof(update); at + 4 <= message.payload.size(); at += 4) {
        uint32_t colour;
        std::memcpy(&colour, message.payload.data() + at, 4);
        bytes[{update.scanout_id, colour}] += 4;
      }
    }
    return bytes;
  }
  DisplayPeer peer_ = device_.Connect();
};
using Seen = std::map<std::pair<uint32_t, uint32_t>, size_t>;

TEST_F(Blob, GuestMemoryIsShownWithoutATransfer) {
  ASSERT_EQ(Create(1), kOk);
  Paint(0x00112233);
  ASSERT_EQ(Show(0, 1), kOk);
  ASSERT_EQ(device_.Flush(1, kAll), kOk);
  EXPECT_EQ(Read(), (Seen{{{0, 0x00112233}, kBytes}}));
  Paint(0x00445566, 0, 8);  // the first row's first pixels
  ASSERT_EQ(device_.Flush(1, {0, 0, 8, 1}), kOk);
  EXPECT_EQ((Read()[{0, 0x00445566}]), 32u);
}

TEST_F(Blob, IsShownAsItIsFromTheStart) {
  Create(1);
  Paint(0x00112233);
  ASSERT_EQ(Show(0, 1), kOk);
  EXPECT_EQ(Read(), (Seen{{{0, 0x00112233}, kBytes}}));
}

TEST_F(Blob, WhatDidNotChangeIsNotSent) {
  Create(1);
  Show(0, 1);
  device_.Flush(1, kAll);
  Read();
  device_.Flush(1, kAll);
  EXPECT_TRUE(Read().empty());
}

TEST_F(Blob, ScatteredEntriesMakeThePicture) {
  ASSERT_EQ(
      TypeOf(Start(1, kGuestMemory,
                   {{kGuestBase + 65536, kBytes / 2, 0}, {kGuestBase, kBytes / 2, 0}}, kBytes)),
      kOk);
  Paint(0x00aaaaaa, 65536, kBytes / 8);
  Paint(0x00bbbbbb, 0, kBytes / 8);
  Show(0, 1);
  device_.Flush(1, kAll);
  EXPECT_EQ(Read(), (Seen{{{0, 0x00aaaaaa}, kBytes / 2}, {{0, 0x00bbbbbb}, kBytes / 2}}));
}

TEST_F(Blob, StrideOffsetAndFormatAreTheScanouts) {
  const Framebuffer fb{64, 16, VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM, 1024, 4096};
  ASSERT_EQ(Create(1, 0, 4096 + 1024 * 16), kOk);
  for (uint32_t y = 0; y < 16; ++y) Paint(0x00332211, 4096 + 1024 * y, 64);
  ASSERT_EQ(Show(0, 1, {0, 0, 64, 16}, fb), kOk);
  ASSERT_EQ(device_.Flush(1, {0, 0, 64, 16}), kOk);
  EXPECT_EQ(Read(), (Seen{{{0, 0x00112233}, 64 * 16 * 4}}));
}

TEST_F(Blob, OneBlobOnTwoHeadsEachWithItsPart) {
  Create(1);
  for (uint32_t y = 0; y < kHeight; ++y) {
    Paint(0x00aaaaaa, uint64_t{y} * kWidth * 4, 64);
    Paint(0x00bbbbbb, uint64_t{y} * kWidth * 4 + 256, 64);
  }
  ASSERT_EQ(Show(0, 1, {0, 0, 64, kHeight}, {}), kOk);
  ASSERT_EQ(Show(1, 1, {64, 0, 64, kHeight}, {}), kOk);
  device_.Flush(1, kAll);
  EXPECT_EQ(Read(), (Seen{{{0, 0x00aaaaaa}, kBytes / 2}, {{1, 0x00bbbbbb}, kBytes / 2}}));
}

TEST_F(Blob, APageFlipShowsAllOfTheNextOneWhateverIsFlushed) {
  Create(1);
  Create(2, 1 << 20);
  Paint(0x00111111);
  Paint(0x00222222, 1 << 20);
  Show(0, 1);
  device_.Flush(1, kAll);
  Read();
  Show(0, 2);
  EXPECT_TRUE(Read().empty());  // the picture before stays until the flush
  device_.Flush(2, {0, 0, 1, 1});
  EXPECT_EQ(Read(), (Seen{{{0, 0x00222222}, kBytes}}));
}

TEST_F(Blob, ARenewedSocketGetsThePictureAgain) {
  Create(1);
  Paint(0x00112233);
  Show(0, 1);
  device_.Flush(1, kAll);
  Read();
  peer_ = device_.Connect();
  EXPECT_EQ(Read(), (Seen{{{0, 0x00112233}, kBytes}}));
}

TEST_F(Blob, UnrefAndDisableEndTheHead) {
  Create(1);
  Show(0, 1);
  Show(1, 1);
  Read();
  EXPECT_EQ(Show(0, 0, {}, {}), kOk);
  EXPECT_EQ(device_.Unref(1), kOk);
  EXPECT_EQ(device_.Flush(1, kAll), kBadResource);
  device_.NextFrame();
  for (const auto& message : peer_.Read())
    EXPECT_NE(message.request, uint32_t{wire::VHOST_USER_GPU_UPDATE});
}

TEST_F(Blob, AHeadGoesFromBlobTo2dAndBack) {
  Create(1);
  Paint(0x00112233);
  Show(0, 1);
  device_.Flush(1, kAll);
  device_.Create2d(2, kWidth, kHeight);
  device_.Attach(2, 1 << 20, kBytes);
  Paint(0x00999999, 1 << 20);
  device_.Transfer(2, kAll, 0);
  ASSERT_EQ(device_.SetScanout(0, 2, kAll), kOk);
  device_.Flush(2, kAll);
  EXPECT_EQ((Read()[{0, 0x00999999}]), size_t{kBytes});
  EXPECT_EQ(device_.Flush(1, kAll), kOk);  // no head shows it any more
  EXPECT_TRUE(Read().empty());
  Show(0, 1);
  device_.Flush(1, kAll);
  EXPECT_EQ((Read()[{0, 0x00112233}]), size_t{kBytes});
}

TEST_F(Blob, ACursorCanBeABlob) {
  Create(1, 0, 64 * 64 * 4);
  Paint(0x80abcdef, 0, 64 * 64);
  EXPECT_EQ(device_.Transfer(1, {0, 0, 64, 64}, 0), kOk);  // Linux does so
  virtio_gpu_update_cursor wire{};
  wire.hdr = Header(VIRTIO_GPU_CMD_UPDATE_CURSOR, 0);
  wire.resource_id = 1;
  peer_.Read();
  EXPECT_EQ(device_.Do(wire, Queue::kCursor), kOk);
  device_.NextFrame();
  const auto messages = peer_.Read();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].As<wire::VhostUserGpuCursorUpdate>().data[100], 0x80abcdefu);
  Create(2, 0, 64 * 64 * 4 - 4);
  wire.resource_id = 2;
  EXPECT_EQ(device_.Do(wire, Queue::kCursor), kBadParameter);
}

TEST_F(Blob, RefusesWhatIsWrongWithItsOwnErrorEach) {
  const std::vector<virtio_gpu_mem_entry> page{{kGuestBase, 4096, 0}};
  EXPECT_EQ(TypeOf(Start(0, kGuestMemory, page, 4096)), kBadResource);
  EXPECT_EQ(TypeOf(Start(1, 0, page, 4096)), kBadParameter);
  EXPECT_EQ(TypeOf(Start(1, 4, page, 4096)), kBadParameter);
  EXPECT_EQ(TypeOf(Start(1, kGuestMemory, page, 4096, 8)), kBadParameter);
  EXPECT_EQ(TypeOf(Start(1, kGuestMemory, page, 0)), kBadParameter);
  EXPECT_EQ(TypeOf(Start(1, kGuestMemory, page, 4097)), kBadParameter);
  EXPECT_EQ(TypeOf(Start(1, kGuestMemory, page, ~uint64_t{0})), kBadParameter);
  EXPECT_EQ(TypeOf(Start(1, kGuestMemory, {{8, 4096, 0}}, 4096)), kBadParameter);
  EXPECT_EQ(TypeOf(Start(1, kHost3d, page, 4096)), kBadParameter);
  EXPECT_EQ(TypeOf(Start(1, kHost3d, {}, 4096)), kBadContext);
  EXPECT_EQ(Create(1), kOk);
  EXPECT_EQ(Create(1), kBadResource);
  EXPECT_EQ(device_.SetScanout(0, 1, {0, 0, 1, 1}), kBadParameter);
  EXPECT_EQ(Show(16, 1), kBadScanout);
  EXPECT_EQ(Show(0, 9), kBadResource);
  EXPECT_EQ(Show(0, 1, {}, {}), kBadParameter);
  EXPECT_EQ(Show(0, 1, {0, 0, kWidth + 1, kHeight}, {}), kBadParameter);
  EXPECT_EQ(Show(0, 1, {0xffffffff, 0, 8, 8}, {}), kBadParameter);
  EXPECT_EQ(Show(0, 1, kAll, {kWidth, kHeight, 5}), kBadParameter);
  EXPECT_EQ(Show(0, 1, kAll, {kWidth, kHeight, kXrgb, kWidth * 4 - 1}), kBadParameter);
  EXPECT_EQ(Show(0, 1, kAll, {kWidth, kHeight, kXrgb, kWidth * 4, 1}), kBadParameter);
  EXPECT_EQ(Show(0, 1, kAll, {kWidth, kHeight, kXrgb, 0xffffffff}), kBadParameter);
  EXPECT_EQ(Show(0, 1, kAll, {kWidth, kHeight, kXrgb, kWidth * 4, 0xffffffff}), kBadParameter);
  EXPECT_EQ(Show(0, 1, {0, 0, 1, 1}, {1, 0xffffffff, kXrgb, 4}), kBadParameter);
  EXPECT_EQ(device_.Flush(1, {8, 0, 0xffffffff, 1}), kBadParameter);
  device_.Create2d(2, kWidth, kHeight);
  EXPECT_EQ(Show(0, 2), kBadParameter);
}

TEST_F(Blob, ADriverThatDidNotTakeTheFeatureHasNone) {
  device_.device_->SetFeatures(0);
  EXPECT_EQ(Create(1), kUnspec);
  EXPECT_EQ(Show(0, 1), kUnspec);
}

TEST_F(Blob, HeadsThatShowBlobsStayWithinTheLimitOfBytes) {
  constexpr uint32_t kWide = 16384, kHigh = 16384;  // 1 GiB, shown from one row of guest memory
  ASSERT_EQ(Create(1, 0, 4 * kWide), kOk);
  EXPECT_EQ(Show(0, 1, {0, 0, kWide, 1}, {kWide, 1, kXrgb, 4 * kWide}), kOk);
  EXPECT_EQ(Show(1, 1, {0, 0, kWide, kHigh}, {kWide, kHigh, kXrgb, 4 * kWide}), kBadParameter);
  GpuDevice::Options small = With3d();
  small.limits.resource_bytes = 2 * kBytes;
  DeviceFixture device(small);
  const auto make = [&](uint32_t scanout) {
    virtio_gpu_set_scanout_blob wire{};
    wire.hdr = Header(VIRTIO_GPU_CMD_SET_SCANOUT_BLOB, 0);
    wire.r = kAll;
    wire.scanout_id = scanout;
    wire.resource_id = 1;
    wire.width = kWidth;
    wire.height = kHeight;
    wire.format = kXrgb;
    wire.strides[0] = kWidth * 4;
    return device.Do(wire);
  };
  virtio_gpu_resource_create_blob create{};
  create.hdr = Header(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, 0);
  create.resource_id = 1;
  create.blob_mem = kGuestMemory;
  create.nr_entries = 1;
  create.size = kBytes;
  const virtio_gpu_mem_entry entry{kGuestBase, kBytes, 0};
  device.Start({DeviceFixture::Bytes(create), DeviceFixture::Bytes(entry)});
  EXPECT_EQ(make(0), kOk);
  EXPECT_EQ(make(1), kOk);
  EXPECT_EQ(make(2), kNoMemory);
  EXPECT_EQ(make(1), kOk);  // again, in its own place
}

TEST_F(Blob, MemoryThatGoesFailsTheFlushOnly) {
  Create(1, kGuestBytes - kBytes);
  Show(0, 1);
  device_.memory_ = MakeGuestMemory(1 << 20);
  device_.device_->SetMemory(device_.memory_);
  EXPECT_EQ(device_.Flush(1, kAll), kUnspec);
  EXPECT_EQ(device_.Detach(1), kOk);
  EXPECT_EQ(device_.Flush(1, kAll), kUnspec);
  EXPECT_EQ(device_.Attach(1, 0, kBytes), kOk);
  EXPECT_EQ(device_.Flush(1, kAll), kOk);
}

TEST_F(Blob, AContextsBlobIsMadeByTheRenderer) {
  CreateContext(1);
  const uint16_t head = Start(5, kHost3d, {}, 8192, VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE);
  EXPECT_EQ(TypeOf(head), kPending);
  const auto made = renderer_.Logged<gpu::CreateBlob>();
  ASSERT_EQ(made.size(), 1u);
  const auto& command = std::get<gpu::CreateBlob>(made[0].command);
  EXPECT_EQ(command.ctx_id, 1u);
  EXPECT_EQ(command.blob_id, 0x1122334455667788u);
  EXPECT_EQ(command.size_bytes, 8192u);
  EXPECT_EQ(command.blob_flags, uint32_t{VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE});
  renderer_.CompleteAll();
  EXPECT_EQ(TypeOf(head), kOk);
  EXPECT_EQ(device_.stats_.Get(StatsValue::kResourceBytes), 8192u);
  const uint16_t with_pages = Start(6, kHost3dGuest, {{kGuestBase, 4096, 0}}, 4096);
  EXPECT_EQ(renderer_.Logged<gpu::CreateBlob>()[1].ranges.size(), 1u);
  renderer_.CompleteFirst(RenderResult::kRefused);
  EXPECT_EQ(TypeOf(with_pages), kBadParameter);
  EXPECT_EQ(device_.Unref(6), kBadResource);
}

TEST_F(Blob, GuestMemoryIsToldToTheRendererWhenAStreamNamesIt) {
  constexpr uint32_t kNamed = 0x4711;
  CreateContext(1);
  Create(kNamed);
  EXPECT_EQ(AttachTo(1, kNamed), kOk);
  EXPECT_TRUE(renderer_.Logged<gpu::CreateBlob>().empty());
  Submit(1, {1, kNamed});
  ASSERT_EQ(renderer_.Logged<gpu::CreateBlob>().size(), 1u);
  EXPECT_EQ(renderer_.Logged<gpu::CreateBlob>()[0].ranges.size(), 1u);
  EXPECT_EQ(renderer_.Logged<AttachResource>().size(), 1u);
  // Its contents are the guest's memory still: shown without a read back.
  Paint(0x00112233);
  Show(0, kNamed);
  device_.Flush(kNamed, kAll);
  EXPECT_EQ((Read()[{0, 0x00112233}]), size_t{kBytes});
}

TEST_F(Blob, ARendererThatDiesTakesItsOwnBlobsAndLeavesTheGuests) {
  constexpr uint32_t kNamed = 0x4711;
  CreateContext(1);
  Create(kNamed);
  AttachTo(1, kNamed);
  Submit(1, {1, kNamed});
  Start(5, kHost3dGuest, {{kGuestBase, 4096, 0}}, 4096);
  renderer_.CompleteAll();
  AttachTo(1, 5);
  renderer_.Die();
  device_.loop_.RunPosted();
  Submit(1, {1, kNamed, 5});
  const auto made = renderer_.Logged<gpu::CreateBlob>();
  ASSERT_EQ(made.size(), 1u);
  EXPECT_EQ(std::get<gpu::CreateBlob>(made[0].command).resource_id, kNamed);
  EXPECT_EQ(Transfer3d(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, 1, 5), kBadParameter);
  EXPECT_EQ(device_.Unref(5), kOk);
}

}  // namespace
}  // namespace rendercar::gpu
