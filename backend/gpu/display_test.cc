// The display socket: questions and answers, a full socket, a renewed one, garbage.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/display.h"

#include <gtest/gtest.h>

#include "backend/gpu/device_fixture.h"
#include "backend/gpu/edid.h"

namespace rendercar::gpu {
namespace {

constexpr uint64_t kEdidFeature = 1;

class DisplayTest : public testing::Test {
 protected:
  void Negotiate(DisplayPeer& peer, uint64_t features = kEdidFeature) {
    const auto messages = peer.Read();
    ASSERT_GE(messages.size(), 1u);
    ASSERT_EQ(messages[0].request, wire::VHOST_USER_GPU_GET_PROTOCOL_FEATURES);
    peer.Reply(wire::VHOST_USER_GPU_GET_PROTOCOL_FEATURES, features);
    device_.PeerSent();
  }
  uint16_t AskInfo() {
    virtio_gpu_ctrl_hdr hdr{};
    hdr.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO;
    return device_.Start(hdr);
  }
  uint16_t AskEdid(uint32_t scanout) {
    virtio_gpu_cmd_get_edid wire{};
    wire.hdr.type = VIRTIO_GPU_CMD_GET_EDID;
    wire.scanout = scanout;
    return device_.Start(wire);
  }
  static virtio_gpu_resp_display_info Info(uint32_t width, uint32_t height) {
    virtio_gpu_resp_display_info info{};
    info.hdr.type = VIRTIO_GPU_RESP_OK_DISPLAY_INFO;
    info.pmodes[0].r.width = width;
    info.pmodes[0].r.height = height;
    info.pmodes[0].enabled = 1;
    return info;
  }
  uint64_t ProtocolErrors() { return device_.stats_.Get(StatsError::kDisplayProtocol); }

  DeviceFixture device_;
};

TEST_F(DisplayTest, TakesOnlyTheFeaturesThatItKnows) {
  DisplayPeer peer = device_.Connect();
  Negotiate(peer, 0xff);
  const auto messages = peer.Read();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].request, wire::VHOST_USER_GPU_SET_PROTOCOL_FEATURES);
  EXPECT_EQ(messages[0].As<uint64_t>(), kEdidFeature);
}

TEST_F(DisplayTest, PassesDisplayInfoOn) {
  DisplayPeer peer = device_.Connect();
  Negotiate(peer);
  const uint16_t head = AskInfo();
  EXPECT_FALSE(device_.Answered(head));
  peer.Reply(wire::VHOST_USER_GPU_GET_DISPLAY_INFO, Info(1234, 567));
  device_.PeerSent();
  const auto response = device_.Response<virtio_gpu_resp_display_info>(head);
  EXPECT_EQ(response.hdr.type, uint32_t{VIRTIO_GPU_RESP_OK_DISPLAY_INFO});
  EXPECT_EQ(response.pmodes[0].r.width, 1234u);
}

TEST_F(DisplayTest, AnswersDisplayInfoWithoutASocket) {
  const auto response = device_.Response<virtio_gpu_resp_display_info>(AskInfo());
  EXPECT_EQ(response.hdr.type, uint32_t{VIRTIO_GPU_RESP_OK_DISPLAY_INFO});
  EXPECT_EQ(response.pmodes[0].enabled, 1u);
}

TEST_F(DisplayTest, PassesTheFrontendsEdidOn) {
  DisplayPeer peer = device_.Connect();
  Negotiate(peer);
  const uint16_t head = AskEdid(0);
  virtio_gpu_resp_edid edid{};
  edid.size = 256;
  edid.edid[5] = 42;
  peer.Reply(wire::VHOST_USER_GPU_GET_EDID, edid);
  device_.PeerSent();
  const auto response = device_.Response<virtio_gpu_resp_edid>(head);
  EXPECT_EQ(response.hdr.type, uint32_t{VIRTIO_GPU_RESP_OK_EDID});
  EXPECT_EQ(response.size, 256u);
  EXPECT_EQ(response.edid[5], 42);
}

TEST_F(DisplayTest, AnEdidAskedForBeforeNegotiationWaitsForIt) {
  DisplayPeer peer = device_.Connect();
  const uint16_t head = AskEdid(0);
  EXPECT_FALSE(device_.Answered(head));
  Negotiate(peer);
  virtio_gpu_resp_edid edid{};
  edid.size = 128;
  peer.Reply(wire::VHOST_USER_GPU_GET_EDID, edid);
  device_.PeerSent();
  EXPECT_TRUE(device_.Answered(head));
}

TEST_F(DisplayTest, AFrontendWithoutEdidGetsOneOfOurs) {
  DisplayPeer peer = device_.Connect();
  Negotiate(peer, 0);
  const auto response = device_.Response<virtio_gpu_resp_edid>(AskEdid(0));
  EXPECT_EQ(response.hdr.type, uint32_t{VIRTIO_GPU_RESP_OK_EDID});
  EXPECT_EQ(response.size, kEdidBytes);
}

TEST_F(DisplayTest, AnEdidThatTheFrontendSkipsIsABadScanout) {
  DisplayPeer peer = device_.Connect();
  Negotiate(peer);
  const uint16_t head = AskEdid(3);
  // QEMU says nothing to that, but answers the question behind it.
  peer.Reply(wire::VHOST_USER_GPU_GET_PROTOCOL_FEATURES, kEdidFeature);
  device_.PeerSent();
  EXPECT_EQ(device_.Response(head).type, uint32_t{VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID});
  EXPECT_EQ(ProtocolErrors(), 0u);
}

TEST_F(DisplayTest, RefusesAnEdidOfScanout16ByItself) {
  EXPECT_EQ(device_.Response(AskEdid(16)).type, uint32_t{VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID});
}

TEST_F(DisplayTest, QuiesceAnswersWhatTheFrontendStillOwes) {
  DisplayPeer peer = device_.Connect();
  Negotiate(peer);
  const uint16_t info = AskInfo();
  const uint16_t edid = AskEdid(0);
  device_.device_->Quiesce();
  EXPECT_EQ(device_.Response(info).type, uint32_t{VIRTIO_GPU_RESP_OK_DISPLAY_INFO});
  EXPECT_EQ(device_.Response(edid).type, uint32_t{VIRTIO_GPU_RESP_OK_EDID});
  // The reply that comes after all harms nobody.
  peer.Reply(wire::VHOST_USER_GPU_GET_DISPLAY_INFO, Info(800, 600));
  device_.PeerSent();
  EXPECT_EQ(ProtocolErrors(), 0u);
}

TEST_F(DisplayTest, AVanishedFrontendLeavesNoQuestionOpen) {
  DisplayPeer peer = device_.Connect();
  const uint16_t info = AskInfo();
  const uint16_t edid = AskEdid(0);
  peer.Close();
  device_.PeerSent();
  EXPECT_TRUE(device_.Answered(info));
  EXPECT_TRUE(device_.Answered(edid));
}

TEST_F(DisplayTest, ARenewedSocketLeavesNoQuestionOpen) {
  DisplayPeer peer = device_.Connect();
  Negotiate(peer);
  const uint16_t info = AskInfo();
  DisplayPeer renewed = device_.Connect();
  EXPECT_TRUE(device_.Answered(info));
}

TEST_F(DisplayTest, TakesRepliesInPieces) {
  DisplayPeer peer = device_.Connect();
  Negotiate(peer);
  const uint16_t head = AskInfo();
  const auto info = Info(640, 480);
  const wire::VhostUserGpuHeader header{wire::VHOST_USER_GPU_GET_DISPLAY_INFO,
                                        wire::VHOST_USER_GPU_MSG_FLAG_REPLY, sizeof(info)};
  std::vector<std::byte> bytes = DeviceFixture::Bytes(header);
  const auto payload = DeviceFixture::Bytes(info);
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  for (const std::byte& byte : bytes) {
    EXPECT_FALSE(device_.Answered(head));
    peer.SendRaw(&byte, 1);
    device_.PeerSent();
  }
  EXPECT_TRUE(device_.Answered(head));
}

struct Garbage {
  const char* name;
  wire::VhostUserGpuHeader header;
};
class BadReply : public DisplayTest, public testing::WithParamInterface<Garbage> {};

TEST_P(BadReply, EndsTheConnectionAndIsCounted) {
  DisplayPeer peer = device_.Connect();
  Negotiate(peer);
  peer.SendRaw(&GetParam().header, sizeof(wire::VhostUserGpuHeader));
  const std::vector<std::byte> payload(std::min<size_t>(GetParam().header.size, 4096));
  peer.SendRaw(payload.data(), payload.size());
  device_.PeerSent();
  EXPECT_EQ(ProtocolErrors(), 1u);
  EXPECT_FALSE(device_.loop_.IsWatched(device_.display_fd_));
  EXPECT_TRUE(device_.Answered(AskInfo()));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadReply,
    testing::Values(Garbage{"no flag", {wire::VHOST_USER_GPU_GET_DISPLAY_INFO, 0, 408}},
                    Garbage{"unknown", {4711, 4, 8}}, Garbage{"not asked for", {3, 4, 408}},
                    Garbage{"huge", {3, 4, 0xffffffff}}, Garbage{"short", {1, 4, 4}},
                    Garbage{"zero", {0, 0, 0}}),
    [](const testing::TestParamInfo<Garbage>& garbage) {
      std::string name = garbage.param.name;
      std::replace(name.begin(), name.end(), ' ', '_');
      return name;
    });

// A picture much larger than the socket's buffer.
class FullSocket : public DisplayTest {
 protected:
  static constexpr uint32_t kWidth = 1920, kHeight = 1080;
  static constexpr virtio_gpu_rect kAll{0, 0, kWidth, kHeight};
  void Draw(uint32_t colour) {
    for (size_t i = 0; i < size_t{kWidth} * kHeight; ++i)
      std::memcpy(device_.guest(i * 4), &colour, 4);
    EXPECT_EQ(device_.Transfer(1, kAll, 0), uint32_t{VIRTIO_GPU_RESP_OK_NODATA});
    EXPECT_EQ(device_.Flush(1, kAll), uint32_t{VIRTIO_GPU_RESP_OK_NODATA});
  }
  void Show() {
    device_.Create2d(1, kWidth, kHeight);
    device_.Attach(1, 0, kWidth * kHeight * 4);
    device_.SetScanout(0, 1, kAll);
  }
  // Reads until nothing more comes; returns how many bytes of pixels there were, by colour.
  std::map<uint32_t, size_t> Drain(DisplayPeer& peer, size_t step = SIZE_MAX) {
    std::map<uint32_t, size_t> bytes;
    for (int quiet = 0; quiet < 2;) {
      const size_t before = peer.total_bytes;
      device_.NextFrame();
      const auto messages = peer.Read(step);
      for (const auto& message : messages) {
        if (message.request != wire::VHOST_USER_GPU_UPDATE) continue;
        uint32_t colour;
        std::memcpy(&colour, message.payload.data() + 20, 4);
        bytes[colour] += message.payload.size() - 20;
      }
      const bool made_room = device_.PeerMadeRoom();
      quiet = made_room || peer.total_bytes != before ? 0 : quiet + 1;
    }
    return bytes;
  }
};

TEST_F(FullSocket, IsNeverWaitedForAndGetsTheLatestPicture) {
  DisplayPeer peer = device_.Connect();
  Show();
  for (uint32_t colour = 1; colour <= 50; ++colour) Draw(colour);
  const auto bytes = Drain(peer);
  ASSERT_EQ(bytes.count(50), 1u);
  // What was in the socket already, and the last picture; none of those between.
  size_t older = 0;
  for (const auto& [colour, size] : bytes) older += colour == 50 ? 0 : size;
  EXPECT_LE(older, size_t{9} << 20);
  EXPECT_GE(bytes.at(50), size_t{kWidth} * kHeight * 4 * 9 / 10);
  EXPECT_GT(device_.stats_.Get(StatsValue::kFramesCoalesced), 0u);
}

TEST_F(FullSocket, MessagesStayWholeWhenThePeerReadsInDrops) {
  DisplayPeer peer = device_.Connect(4608);
  Show();
  Draw(0x00345678);
  const auto bytes = Drain(peer, 1000);
  EXPECT_EQ(bytes.at(0x00345678), size_t{kWidth} * kHeight * 4);
}

TEST_F(FullSocket, AGuestThatRedrawsFasterThanAnybodyLooksIsPaced) {
  DisplayPeer peer = device_.Connect();
  device_.frames_pass_ = false;
  Show();
  size_t shown = 0;
  for (uint32_t colour = 1; colour <= 50; ++colour) {
    Draw(colour);
    // A viewer that always keeps up.
    for (size_t before = SIZE_MAX; before != peer.total_bytes;) {
      before = peer.total_bytes;
      peer.Read();
      device_.PeerMadeRoom();
    }
    shown = peer.total_bytes;
  }
  EXPECT_LE(shown, size_t{2} * kWidth * kHeight * 4);
  const auto last = Drain(peer);
  EXPECT_EQ(last.at(50), size_t{kWidth} * kHeight * 4);
}

TEST_F(FullSocket, ARenewedSocketStartsWithAnAnnouncement) {
  DisplayPeer peer = device_.Connect();
  Show();
  Draw(1);
  DisplayPeer renewed = device_.Connect();
  const auto messages = renewed.Read();
  ASSERT_GE(messages.size(), 3u);
  EXPECT_EQ(messages[0].request, wire::VHOST_USER_GPU_GET_PROTOCOL_FEATURES);
  EXPECT_EQ(messages[1].request, wire::VHOST_USER_GPU_SCANOUT);
  EXPECT_EQ(messages[2].request, wire::VHOST_USER_GPU_UPDATE);
}

class CursorTest : public DisplayTest {
 protected:
  uint32_t Send(uint32_t type, uint32_t resource, uint32_t x, uint32_t y, uint32_t scanout = 0) {
    virtio_gpu_update_cursor wire{};
    wire.hdr.type = type;
    wire.pos.scanout_id = scanout;
    wire.pos.x = x;
    wire.pos.y = y;
    wire.resource_id = resource;
    wire.hot_x = 3;
    wire.hot_y = 4;
    return device_.Do(wire, Queue::kCursor);
  }
  void MakeCursor(uint32_t format) {
    std::memset(device_.guest(0), 0x5a, 64 * 64 * 4);
    device_.Create2d(1, 64, 64, format);
    device_.Attach(1, 0, 64 * 64 * 4);
    device_.Transfer(1, {0, 0, 64, 64}, 0);
  }
};

TEST_F(CursorTest, GoesOutWithImagePositionAndHotSpot) {
  DisplayPeer peer = device_.Connect();
  MakeCursor(VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM);
  peer.Read();
  EXPECT_EQ(Send(VIRTIO_GPU_CMD_UPDATE_CURSOR, 1, 10, 20), uint32_t{VIRTIO_GPU_RESP_OK_NODATA});
  const auto messages = peer.Read();
  ASSERT_EQ(messages.size(), 1u);
  ASSERT_EQ(messages[0].request, wire::VHOST_USER_GPU_CURSOR_UPDATE);
  const auto update = messages[0].As<wire::VhostUserGpuCursorUpdate>();
  EXPECT_EQ(update.pos.x, 10u);
  EXPECT_EQ(update.hot_y, 4u);
  EXPECT_EQ(update.data[4095], 0x5a5a5a5au);
}

TEST_F(CursorTest, IsOpaqueWithoutAlpha) {
  DisplayPeer peer = device_.Connect();
  MakeCursor(VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM);
  peer.Read();
  Send(VIRTIO_GPU_CMD_UPDATE_CURSOR, 1, 10, 20);
  EXPECT_EQ(peer.Read()[0].As<wire::VhostUserGpuCursorUpdate>().data[0], 0xff5a5a5au);
}

TEST_F(CursorTest, MovesAndHides) {
  DisplayPeer peer = device_.Connect();
  MakeCursor(VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM);
  Send(VIRTIO_GPU_CMD_UPDATE_CURSOR, 1, 10, 20);
  peer.Read();
  EXPECT_EQ(Send(VIRTIO_GPU_CMD_MOVE_CURSOR, 0, 30, 40), uint32_t{VIRTIO_GPU_RESP_OK_NODATA});
  EXPECT_EQ(Send(VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 30, 40), uint32_t{VIRTIO_GPU_RESP_OK_NODATA});
  const auto messages = peer.Read();
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].request, wire::VHOST_USER_GPU_CURSOR_POS);
  EXPECT_EQ(messages[0].As<wire::VhostUserGpuCursorPos>().x, 30u);
  EXPECT_EQ(messages[1].request, wire::VHOST_USER_GPU_CURSOR_POS_HIDE);
}

TEST_F(CursorTest, IsShownAgainOnARenewedSocket) {
  DisplayPeer peer = device_.Connect();
  MakeCursor(VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM);
  Send(VIRTIO_GPU_CMD_UPDATE_CURSOR, 1, 10, 20);
  Send(VIRTIO_GPU_CMD_MOVE_CURSOR, 0, 30, 40);
  DisplayPeer renewed = device_.Connect();
  const auto messages = renewed.Read();
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[1].request, wire::VHOST_USER_GPU_CURSOR_UPDATE);
  EXPECT_EQ(messages[1].As<wire::VhostUserGpuCursorUpdate>().pos.x, 30u);
}

TEST_F(CursorTest, RefusesWhatIsNoCursor) {
  device_.Create2d(2, 32, 64);
  EXPECT_EQ(Send(VIRTIO_GPU_CMD_UPDATE_CURSOR, 2, 0, 0),
            uint32_t{VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER});
  EXPECT_EQ(Send(VIRTIO_GPU_CMD_UPDATE_CURSOR, 9, 0, 0),
            uint32_t{VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID});
  EXPECT_EQ(Send(VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 0, 0, 16),
            uint32_t{VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID});
  EXPECT_EQ(Send(VIRTIO_GPU_CMD_MOVE_CURSOR, 0, 0, 0, 0xffffffff),
            uint32_t{VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID});
}

TEST(Headless, ShowsNothingAndReportsEveryHeadDisabled) {
  GpuDevice::Options options;
  options.headless = true;
  DeviceFixture device(options);
  DisplayPeer peer = device.Connect();
  peer.Read();
  device.Create2d(1, 64, 64);
  device.SetScanout(0, 1, {0, 0, 64, 64});
  device.Flush(1, {0, 0, 64, 64});
  virtio_gpu_ctrl_hdr hdr{};
  hdr.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO;
  const auto info = device.Response<virtio_gpu_resp_display_info>(device.Start(hdr));
  EXPECT_EQ(info.hdr.type, uint32_t{VIRTIO_GPU_RESP_OK_DISPLAY_INFO});
  EXPECT_EQ(info.pmodes[0].enabled, 0u);
  EXPECT_TRUE(peer.Read().empty());
}

}  // namespace
}  // namespace rendercar::gpu
