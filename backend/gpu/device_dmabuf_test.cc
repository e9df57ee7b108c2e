// 3D screens shown from GPU memory: a renderer that hands it out, a frontend that takes it.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/device_3d_fixture.h"

namespace rendercar::gpu {
namespace {

constexpr uint32_t kWidth = 128, kHeight = 32;
constexpr virtio_gpu_rect kAll{0, 0, kWidth, kHeight};

GpuDevice::Options WithDmabufs() {
  GpuDevice::Options options = With3d();
  options.dmabufs = true;
  return options;
}

class Dmabuf : public Device3d {
 protected:
  Dmabuf() : Device3d(WithDmabufs()) {}
  void SetUp() override {
    CreateContext(1);
    for (const uint32_t id : {1u, 2u}) {
      Create3d(id, kWidth, kHeight);
      Export(id, kWidth);
    }
    peer_.Reply(wire::VHOST_USER_GPU_GET_PROTOCOL_FEATURES, uint64_t{3});
    device_.PeerSent();
  }
  void Export(uint32_t id, uint32_t width, uint64_t modifier = ExportedBuffer::kNoModifier) {
    auto buffer = std::make_shared<ExportedBuffer>();
    buffer->fd = *CreateSealedMemory("dmabuf", kWidth * kHeight * 4);
    buffer->width = width;
    buffer->height = kHeight;
    buffer->stride_bytes = 4 * width;
    buffer->fourcc = 0x34325258;  // XR24
    buffer->modifier = modifier;
    renderer_.exports[id] = std::move(buffer);
  }
  // The requests that arrived, without questions.
  std::vector<uint32_t> Read() {
    device_.NextFrame();
    std::vector<uint32_t> requests;
    for (auto& message : peer_.Read()) {
      if (wire::ReplyPayloadBytes(message.request) != 0) continue;
      if (message.request == wire::VHOST_USER_GPU_SET_PROTOCOL_FEATURES) continue;
      requests.push_back(message.request);
      last_ = std::move(message);
    }
    return requests;
  }
  void Show(uint32_t id) {
    ASSERT_EQ(device_.SetScanout(0, id, kAll), kOk);
    renderer_.CompleteAll();
  }
  static void ExpectPixels(const std::vector<uint32_t>& requests) {
    ASSERT_GE(requests.size(), 2u);
    EXPECT_EQ(requests.front(), uint32_t{wire::VHOST_USER_GPU_SCANOUT});
    for (size_t i = 1; i < requests.size(); ++i)
      EXPECT_EQ(requests[i], uint32_t{wire::VHOST_USER_GPU_UPDATE});
  }
  void Shown() {
    peer_.Acknowledge(wire::VHOST_USER_GPU_DMABUF_UPDATE);
    device_.PeerSent();
  }

  DisplayPeer peer_ = device_.Connect();
  DisplayMessage last_;
};

constexpr uint32_t kScanout = wire::VHOST_USER_GPU_DMABUF_SCANOUT,
                   kScanout2 = wire::VHOST_USER_GPU_DMABUF_SCANOUT2,
                   kUpdate = wire::VHOST_USER_GPU_DMABUF_UPDATE;
using Requests = std::vector<uint32_t>;

TEST_F(Dmabuf, IsAnnouncedWithItsDescriptorAndUpdatedWithoutACopy) {
  Show(1);
  EXPECT_EQ(Read(), (Requests{kScanout, kUpdate}));
  EXPECT_EQ(peer_.fds.size(), 1u);
  Shown();
  EXPECT_EQ(device_.Flush(1, {8, 4, 16, 8}), kOk);
  EXPECT_EQ(Read(), (Requests{kUpdate}));
  const auto update = last_.As<wire::VhostUserGpuUpdate>();
  EXPECT_EQ(update.x, 8u);
  EXPECT_EQ(update.height, 8u);
  EXPECT_TRUE(renderer_.Logged<ReadPixels>().empty());
}

TEST_F(Dmabuf, AModifierGoesByScanout2WhereTheFrontendTakesIt) {
  Export(1, kWidth, 0x0100000000000001);
  Show(1);
  EXPECT_EQ(Read(), (Requests{kScanout2, kUpdate}));
  peer_ = device_.Connect();
  peer_.Reply(wire::VHOST_USER_GPU_GET_PROTOCOL_FEATURES, uint64_t{1});
  device_.PeerSent();
  EXPECT_EQ(Read(), (Requests{kScanout, kUpdate}));
}

TEST_F(Dmabuf, OnlyOneUpdateWaitsForTheViewer) {
  Show(1);
  for (uint32_t x = 0; x < 10; ++x) device_.Flush(1, {x, 0, 1, 1});
  EXPECT_EQ(Read(), (Requests{kScanout, kUpdate}));
  EXPECT_TRUE(Read().empty());
  Shown();
  EXPECT_EQ(Read(), (Requests{kUpdate}));
  EXPECT_EQ(last_.As<wire::VhostUserGpuUpdate>().width, 10u);
}

TEST_F(Dmabuf, APageFlipAnnouncesTheNextPicture) {
  Show(1);
  Read();
  Shown();
  Show(2);
  EXPECT_EQ(Read(), (Requests{kScanout, kUpdate}));
  Shown();
  Show(1);  // known by now
  EXPECT_EQ(Read(), (Requests{kScanout, kUpdate}));
  EXPECT_EQ(renderer_.Logged<ExportScanout>().size(), 2u);
}

TEST_F(Dmabuf, ARenewedSocketGetsItAgain) {
  Show(1);
  Read();
  peer_ = device_.Connect();
  peer_.Reply(wire::VHOST_USER_GPU_GET_PROTOCOL_FEATURES, uint64_t{3});
  device_.PeerSent();
  EXPECT_EQ(Read(), (Requests{kScanout, kUpdate}));
  EXPECT_EQ(peer_.fds.size(), 1u);
}

TEST_F(Dmabuf, WhatCannotBeExportedIsShownAsPixels) {
  renderer_.exports.clear();
  renderer_.colours[1] = 0x00123456;
  Show(1);
  device_.Flush(1, kAll);
  renderer_.CompleteAll();
  ExpectPixels(Read());
  device_.Flush(1, kAll);
  renderer_.CompleteAll();
  EXPECT_EQ(renderer_.Logged<ExportScanout>().size(), 1u);  // it is not asked again
}

TEST_F(Dmabuf, AFlipToOneThatCannotBeExportedGoesBackToPixels) {
  Show(1);
  Read();
  renderer_.exports.erase(2);
  renderer_.colours[2] = 0x00123456;
  Show(2);
  renderer_.CompleteAll();
  Requests requests = Read();
  ASSERT_FALSE(requests.empty());
  EXPECT_EQ(requests.front(), kScanout);  // without a descriptor: the one before is gone
  EXPECT_EQ(peer_.fds.size(), 1u);
  requests.erase(requests.begin());
  ExpectPixels(requests);
}

TEST_F(Dmabuf, APartOfAPictureIsShownAsPixels) {
  ASSERT_EQ(device_.SetScanout(0, 1, {64, 0, 64, kHeight}), kOk);
  device_.Flush(1, kAll);
  renderer_.CompleteAll();
  ExpectPixels(Read());
  EXPECT_TRUE(renderer_.Logged<ExportScanout>().empty());
}

TEST_F(Dmabuf, APictureOfAnotherSizeThanItsResourceIsNotShown) {
  Export(1, kWidth - 1);
  Show(1);
  device_.Flush(1, kAll);
  renderer_.CompleteAll();
  ExpectPixels(Read());
  EXPECT_TRUE(peer_.fds.empty());
}

TEST_F(Dmabuf, DisablingAndUnrefTellTheViewer) {
  Show(1);
  Read();
  Shown();
  EXPECT_EQ(device_.SetScanout(0, 0, {}), kOk);
  EXPECT_EQ(Read(), (Requests{kScanout}));
  Show(1);
  Read();
  Shown();
  device_.Unref(1);
  EXPECT_EQ(Read(), (Requests{kScanout}));
  EXPECT_EQ(peer_.fds.size(), 2u);
}

TEST_F(Dmabuf, ARendererThatDiesLeavesThePictureAndTheNextOnesFollows) {
  Show(1);
  Read();
  Shown();
  renderer_.Die();
  device_.loop_.RunPosted();
  EXPECT_TRUE(Read().empty());
  Export(1, kWidth);
  device_.Flush(1, kAll);
  renderer_.CompleteAll();
  EXPECT_EQ(Read(), (Requests{kScanout, kUpdate}));
}

TEST_F(Dmabuf, AViewerThatVanishesAndComesBackIsServed) {
  Show(1);
  Read();
  peer_.Close();
  device_.PeerSent();
  EXPECT_EQ(device_.Flush(1, kAll), kOk);
  peer_ = device_.Connect();
  EXPECT_TRUE(Read().empty());  // how it takes them is not known yet
  peer_.Reply(wire::VHOST_USER_GPU_GET_PROTOCOL_FEATURES, uint64_t{0});
  device_.PeerSent();
  EXPECT_EQ(Read(), (Requests{kScanout, kUpdate}));
}

TEST(DmabufsOff, NothingIsExportedWithoutBeingAskedFor) {
  FakeRenderer renderer;
  DeviceFixture device(With3d(), &renderer);
  virtio_gpu_resource_create_3d wire{};
  wire.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_3D;
  wire.resource_id = 1;
  wire.target = 2;
  wire.format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM;
  wire.width = kWidth;
  wire.height = kHeight;
  wire.depth = wire.array_size = 1;
  device.Start(wire);
  renderer.CompleteAll();
  EXPECT_EQ(device.SetScanout(0, 1, kAll), kOk);
  EXPECT_TRUE(renderer.Logged<ExportScanout>().empty());
}

}  // namespace
}  // namespace rendercar::gpu
