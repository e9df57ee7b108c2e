// A device that goes on in a successor process.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/device_state.h"

#include <fcntl.h>

#include "backend/gpu/device_3d_fixture.h"

namespace rendercar::gpu {
namespace {

constexpr uint32_t kWidth = 200, kHeight = 100;
constexpr virtio_gpu_rect kAll{0, 0, kWidth, kHeight};

// What one device leaves, as it crosses to the next.
struct Left {
  std::vector<std::byte> bytes;
  std::vector<std::byte> pixels;
  std::vector<int> fds;
};

Left Leave(GpuDevice& device) {
  device.Freeze();
  Left left;
  wire::LeftFds fds;
  SavedDevice saved = device.Save(fds);
  left.pixels.resize(saved.state.pixel_bytes());
  CopyPictures(saved.state, saved.pictures, left.pixels);
  wire::StateEncoder codec;
  Encode(codec, saved.state);
  left.bytes = codec.Take();
  left.fds = fds.all();
  return left;
}

absl::StatusOr<DeviceState> Decoded(std::span<const std::byte> bytes) {
  DeviceState state;
  wire::StateDecoder codec(bytes);
  Decode(codec, state);
  if (!codec.done()) return absl::InvalidArgumentError("no state");
  return state;
}

absl::Status GoOn(GpuDevice& device, const Left& left) {
  RC_ASSIGN_OR_RETURN(DeviceState state, Decoded(left.bytes));
  std::vector<UniqueFd> fds;
  for (const int fd : left.fds) fds.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  wire::TakenFds taken(std::move(fds));
  return device.Restore(state, taken, left.pixels);
}

std::vector<std::byte> PixelsOf(GpuDevice& device, uint32_t head = 0) {
  const Screenshot shot = device.TakeScreenshot(head);
  if (!shot.pixels.valid()) return {};
  const size_t size = size_t{4} * shot.width * shot.height;
  const auto mapping = Mapping::Map(shot.pixels.get(), 0, size, Mapping::Access::kReadOnly);
  return {mapping->bytes().begin(), mapping->bytes().end()};
}

class DeviceState2d : public testing::Test {
 protected:
  void SetUp() override {
    for (uint32_t i = 0; i < kWidth * kHeight; ++i)
      std::memcpy(old_.guest(i * size_t{4}), &i, sizeof(i));
    ASSERT_EQ(old_.Create2d(1, kWidth, kHeight), kOk);
    ASSERT_EQ(old_.Attach(1, 0, kWidth * kHeight * 4), kOk);
    ASSERT_EQ(old_.Transfer(1, kAll, 0), kOk);
    ASSERT_EQ(old_.SetScanout(0, 1, kAll), kOk);
  }
  DeviceFixture old_;
  DeviceFixture new_{{}, nullptr, old_.memory_};
};

TEST_F(DeviceState2d, the_successor_shows_the_same_picture) {
  const auto before = PixelsOf(*old_.device_);
  ASSERT_TRUE(GoOn(*new_.device_, Leave(*old_.device_)).ok());
  new_.device_->Thaw();
  EXPECT_FALSE(before.empty());
  EXPECT_EQ(PixelsOf(*new_.device_), before);
}

TEST_F(DeviceState2d, the_guests_resources_and_backing_are_there) {
  ASSERT_TRUE(GoOn(*new_.device_, Leave(*old_.device_)).ok());
  new_.device_->Thaw();
  EXPECT_EQ(new_.Create2d(1, 8, 8), kBadResource);
  std::memset(old_.guest(0), 0x5a, kWidth * kHeight * 4);
  EXPECT_EQ(new_.Transfer(1, kAll, 0), kOk);
  EXPECT_EQ(PixelsOf(*new_.device_).front(), std::byte{0x5a});
  EXPECT_EQ(new_.Unref(1), kOk);
  EXPECT_TRUE(PixelsOf(*new_.device_).empty());
}

TEST_F(DeviceState2d, one_that_thaws_goes_on) {
  Leave(*old_.device_);
  old_.device_->Thaw();
  std::memset(old_.guest(0), 0x5a, kWidth * kHeight * 4);
  EXPECT_EQ(old_.Transfer(1, kAll, 0), kOk);
  EXPECT_EQ(PixelsOf(*old_.device_).front(), std::byte{0x5a});
}

TEST_F(DeviceState2d, the_viewer_gets_the_picture_on_the_same_socket_unannounced) {
  DisplayPeer peer = old_.Connect();
  peer.Reply(wire::VHOST_USER_GPU_GET_PROTOCOL_FEATURES, uint64_t{0});
  old_.PeerSent();
  old_.NextFrame();
  peer.Read();
  const Left left = Leave(*old_.device_);
  old_.NextFrame();
  EXPECT_TRUE(peer.Read().empty());
  ASSERT_TRUE(GoOn(*new_.device_, left).ok());
  EXPECT_TRUE(peer.Read().empty());
  new_.device_->Thaw();
  const auto messages = peer.Read();
  ASSERT_FALSE(messages.empty());
  for (const DisplayMessage& message : messages)
    EXPECT_EQ(message.request, uint32_t{wire::VHOST_USER_GPU_UPDATE});
}

TEST_F(DeviceState2d, a_reply_that_was_due_reaches_the_successor) {
  DisplayPeer peer = old_.Connect();
  ASSERT_TRUE(GoOn(*new_.device_, Leave(*old_.device_)).ok());
  new_.device_->Thaw();
  peer.Read();
  peer.Reply(wire::VHOST_USER_GPU_GET_PROTOCOL_FEATURES, uint64_t{1});
  EXPECT_EQ(new_.stats_.Get(StatsError::kDisplayProtocol), 0u);
  EXPECT_EQ(old_.stats_.Get(StatsError::kDisplayProtocol), 0u);
}

TEST_F(DeviceState2d, a_message_that_is_half_sent_is_finished) {
  DisplayPeer peer = old_.Connect(4096);
  peer.Reply(wire::VHOST_USER_GPU_GET_PROTOCOL_FEATURES, uint64_t{0});
  old_.PeerSent();
  old_.NextFrame();
  const Left left = Leave(*old_.device_);
  ASSERT_TRUE(GoOn(*new_.device_, left).ok());
  new_.device_->Thaw();
  std::vector<DisplayMessage> messages;
  for (int i = 0; i < 200; ++i) {
    for (DisplayMessage& message : peer.Read()) messages.push_back(std::move(message));
    for (const int fd : new_.loop_.Watched()) new_.loop_.Fire(fd, EPOLLOUT);
    new_.NextFrame();
  }
  for (const DisplayMessage& message : messages) {
    EXPECT_GE(message.request, uint32_t{wire::VHOST_USER_GPU_GET_PROTOCOL_FEATURES});
    EXPECT_LE(message.request, uint32_t{wire::VHOST_USER_GPU_UPDATE});
  }
  EXPECT_GE(messages.size(), 3u);
}

TEST_F(DeviceState2d, no_part_of_a_state_is_one) {
  const Left left = Leave(*old_.device_);
  for (size_t size = 0; size < left.bytes.size(); ++size)
    ASSERT_FALSE(Decoded(std::span(left.bytes).first(size)).ok()) << size;
}

// Whatever the bytes are: refused in words, or a device that can be used.
TEST_F(DeviceState2d, a_state_with_a_changed_byte_breaks_nothing) {
  const Left left = Leave(*old_.device_);
  for (size_t at = 0; at < left.bytes.size(); ++at) {
    Left changed = left;
    changed.bytes[at] ^= std::byte{static_cast<uint8_t>(1u << (at % 8))};
    DeviceFixture device({}, nullptr, old_.memory_);
    if (!GoOn(*device.device_, changed).ok()) continue;
    device.device_->Thaw();
    device.Transfer(1, kAll, 0);
    device.Flush(1, kAll);
  }
}

TEST_F(DeviceState2d, pixels_that_are_not_there_are_refused) {
  Left left = Leave(*old_.device_);
  left.pixels.resize(4096);
  EXPECT_TRUE(absl::IsInvalidArgument(GoOn(*new_.device_, left)));
}

TEST_F(DeviceState2d, more_than_the_limits_allow_is_refused) {
  GpuDevice::Options options;
  options.limits.resource_bytes = 1000;
  DeviceFixture small(options, nullptr, old_.memory_);
  EXPECT_TRUE(absl::IsInvalidArgument(GoOn(*small.device_, Leave(*old_.device_))));
}

// Of a guest that uses 3D.
class DeviceState3d : public Device3d {
 protected:
  void SetUp() override {
    CreateContext(1);
    CreateContext(2);
    Create3d(10);
    device_.Attach(10, 0, 64 * 64 * 4);
    AttachTo(2, 10);
    Transfer3d(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, 2, 10);
  }
  FakeRenderer new_renderer_;
  DeviceFixture new_{With3d(), &new_renderer_, device_.memory_};
};

TEST_F(DeviceState3d, the_successors_renderer_is_told_everything) {
  ASSERT_TRUE(GoOn(*new_.device_, Leave(*device_.device_)).ok());
  EXPECT_EQ(new_renderer_.starts, 0);
  new_.device_->Thaw();
  new_.loop_.RunPosted();
  EXPECT_EQ(new_renderer_.starts, 1);
  EXPECT_EQ(new_renderer_.Logged<gpu::CreateContext>().size(), 2u);
  EXPECT_EQ(new_renderer_.Logged<CreateResource3d>().size(), 1u);
  EXPECT_EQ(new_renderer_.Logged<AttachBacking>().size(), 1u);
  EXPECT_EQ(new_renderer_.Logged<AttachResource>().size(), 1u);
  EXPECT_EQ(new_renderer_.Logged<gpu::Transfer>().size(), 1u);
}

TEST_F(DeviceState3d, what_is_in_flight_is_answered_before) {
  const uint16_t fenced = Submit(1, {1}, 77);
  Leave(*device_.device_);
  EXPECT_EQ(TypeOf(fenced), kOk);
  EXPECT_EQ(device_.Response(fenced).fence_id, 77u);
}

TEST_F(DeviceState3d, a_poisoned_context_stays_one) {
  renderer_.Die({RendererDeath::Kind::kSignaled, 11, "killed", 1});
  device_.loop_.RunPosted();
  ASSERT_TRUE(GoOn(*new_.device_, Leave(*device_.device_)).ok());
  new_.device_->Thaw();
  new_.loop_.RunPosted();
  EXPECT_EQ(new_renderer_.Logged<gpu::CreateContext>().size(), 1u);
}

TEST_F(DeviceState3d, other_capabilities_than_were_promised_are_refused) {
  FakeRenderer renderer;
  GpuDevice::Options options = With3d();
  options.capabilities.capsets[1].data[5] = std::byte{8};
  DeviceFixture other(options, &renderer, device_.memory_);
  EXPECT_TRUE(absl::IsFailedPrecondition(GoOn(*other.device_, Leave(*device_.device_))));
}

TEST_F(DeviceState3d, a_successor_without_3d_is_refused) {
  DeviceFixture other({}, nullptr, device_.memory_);
  EXPECT_TRUE(absl::IsFailedPrecondition(GoOn(*other.device_, Leave(*device_.device_))));
}

TEST_F(DeviceState3d, a_picture_of_2d_that_moved_to_gl_comes_back_from_what_was_shown) {
  ASSERT_EQ(device_.Create2d(20, 64, 64), kOk);
  ASSERT_EQ(device_.Attach(20, 65536, 64 * 64 * 4), kOk);
  ASSERT_EQ(device_.SetScanout(0, 20, {0, 0, 64, 64}), kOk);
  AttachTo(2, 20);
  renderer_.colours[20] = 0xff102030;
  Submit(2, {20});
  device_.Flush(20, {0, 0, 64, 64});
  renderer_.CompleteAll();
  const auto before = PixelsOf(*device_.device_);
  ASSERT_TRUE(GoOn(*new_.device_, Leave(*device_.device_)).ok());
  new_.device_->Thaw();
  EXPECT_EQ(PixelsOf(*new_.device_), before);
  EXPECT_EQ(before[0], std::byte{0x30});
  EXPECT_EQ(new_.Transfer(20, {0, 0, 64, 64}, 0), kOk);
}

}  // namespace
}  // namespace rendercar::gpu
