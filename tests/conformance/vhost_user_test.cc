// vhost-user messages that break the protocol: each is counted and ends the connection or is
// refused; none ends the backend by a signal.
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "tests/conformance/conformance.h"
#include "tests/frontend/message_replay.h"

namespace rendercar::frontend {
namespace {

// One message, right or wrong, as bytes and a number of descriptors.
struct RawMessage {
  std::string name;
  uint32_t request = 0;
  std::vector<std::byte> payload;
  int fds = 0;
  uint32_t flags = kVersion;
  int64_t announced_size = -1;  // -1: the payload's

  friend void PrintTo(const RawMessage& message, std::ostream* out) { *out << message.name; }
};

template <typename T>
std::vector<std::byte> Payload(const T& value, size_t size = sizeof(T)) {
  std::vector<std::byte> bytes(size);
  std::memcpy(bytes.data(), &value, std::min(size, sizeof(T)));
  return bytes;
}
std::vector<std::byte> State(uint32_t index, uint32_t num) {
  return Payload(VhostVringState{index, num});
}
std::vector<std::byte> Address(uint32_t index, uint64_t desc, uint64_t used, uint64_t avail) {
  return Payload(VhostVringAddr{index, 0, desc, used, avail, 0});
}
std::vector<std::byte> Table(uint32_t count, const VhostUserMemoryRegion& region,
                             size_t regions_sent = 1) {
  VhostUserMemory memory;
  memory.nregions = count;
  memory.regions.fill(region);
  return Payload(memory, 8 + regions_sent * sizeof(region));
}
std::vector<std::byte> Config(uint32_t offset, uint32_t size, size_t sent) {
  return Payload(VhostUserConfigHeader{offset, size, 0}, 12 + sent);
}

void SendMessage(VhostChannel& channel, const RawMessage& raw) {
  const VhostUserHeader header{
      raw.request, raw.flags,
      static_cast<uint32_t>(raw.announced_size >= 0 ? raw.announced_size
                                                    : static_cast<int64_t>(raw.payload.size()))};
  std::vector<std::byte> bytes(sizeof(header));
  std::memcpy(bytes.data(), &header, sizeof(header));
  bytes.insert(bytes.end(), raw.payload.begin(), raw.payload.end());
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const std::vector<int> fds(static_cast<size_t>(raw.fds), null.get());
  EXPECT_TRUE(channel.SendRaw(bytes, fds).ok());
}

std::vector<RawMessage> BadMessages() {
  const VhostUserMemoryRegion region{0, 4096, 0x10000, 0};
  const uint64_t max = ~uint64_t{0};
  return {
      {"VersionZero", VHOST_USER_GET_FEATURES, {}, 0, 0},
      {"VersionTwo", VHOST_USER_GET_FEATURES, {}, 0, 2},
      {"AReplyThatNobodyAskedFor", VHOST_USER_GET_FEATURES, {}, 0, kVersion | kReply},
      {"RequestZero", 0, {}},
      {"UnknownRequest", 200, {}},
      {"RequestOfAllOnes", 0xffffffff, {}},
      {"PayloadOnGetFeatures", VHOST_USER_GET_FEATURES, Payload(uint64_t{1})},
      {"AnnouncesFourGigabytes", VHOST_USER_SET_FEATURES, {}, 0, kVersion, 0xffffffff},
      {"ShortFeatures", VHOST_USER_SET_FEATURES, Payload(uint32_t{1})},
      {"LongFeatures", VHOST_USER_SET_FEATURES, Payload(uint64_t{1}, 9)},
      {"DescriptorOnSetOwner", VHOST_USER_SET_OWNER, {}, 1},
      {"SixteenDescriptorsOnGetFeatures", VHOST_USER_GET_FEATURES, {}, 16},
      {"EmptyMemoryTableMessage", VHOST_USER_SET_MEM_TABLE, {}},
      {"MemoryTableOf9Regions", VHOST_USER_SET_MEM_TABLE, Table(9, region, 8), 8},
      {"MemoryTableOf4294967295Regions", VHOST_USER_SET_MEM_TABLE, Table(0xffffffff, region), 1},
      {"MemoryTableShorterThanItSays", VHOST_USER_SET_MEM_TABLE, Table(2, region, 1), 2},
      {"MemoryTableWithoutDescriptors", VHOST_USER_SET_MEM_TABLE, Table(1, region), 0},
      {"MemoryTableWithSurplusDescriptors", VHOST_USER_SET_MEM_TABLE, Table(1, region), 3},
      {"MemoryOfNoFile", VHOST_USER_SET_MEM_TABLE, Table(1, region), 1},
      {"MemoryOfZeroBytes", VHOST_USER_SET_MEM_TABLE, Table(1, {0, 0, 0, 0}), 1},
      {"MemoryThatWraps", VHOST_USER_SET_MEM_TABLE, Table(1, {max - 10, 4096, 0, 0}), 1},
      {"MemoryWhoseUserAddressWraps", VHOST_USER_SET_MEM_TABLE, Table(1, {0, 4096, max - 10, 0}),
       1},
      {"MemoryWhoseOffsetWraps", VHOST_USER_SET_MEM_TABLE, Table(1, {0, 4096, 0, max - 10}), 1},
      {"MemoryOfAllAddresses", VHOST_USER_SET_MEM_TABLE, Table(1, {0, max, 0, 0}), 1},
      {"OverlappingMemory", VHOST_USER_SET_MEM_TABLE, Table(2, region, 2), 2},
      {"VringNumZero", VHOST_USER_SET_VRING_NUM, State(0, 0)},
      {"VringNumThree", VHOST_USER_SET_VRING_NUM, State(0, 3)},
      {"VringNumTooLarge", VHOST_USER_SET_VRING_NUM, State(0, 65536)},
      {"VringNumOfAllOnes", VHOST_USER_SET_VRING_NUM, State(0, 0xffffffff)},
      {"VringNumOfQueueTwo", VHOST_USER_SET_VRING_NUM, State(2, 64)},
      {"VringBaseOfQueueAllOnes", VHOST_USER_SET_VRING_BASE, State(0xffffffff, 0)},
      {"VringBaseBeyond16Bits", VHOST_USER_SET_VRING_BASE, State(0, 0x10000)},
      {"VringBaseAskedOfQueueTwo", VHOST_USER_GET_VRING_BASE, State(2, 0)},
      {"EnableOfQueueTwo", VHOST_USER_SET_VRING_ENABLE, State(2, 1)},
      {"EnableWithSeven", VHOST_USER_SET_VRING_ENABLE, State(0, 7)},
      {"VringAddressOfQueueTwo", VHOST_USER_SET_VRING_ADDR, Address(2, 0, 0, 0)},
      {"ShortVringAddress", VHOST_USER_SET_VRING_ADDR, State(0, 0)},
      {"KickOfQueueTwo", VHOST_USER_SET_VRING_KICK, Payload(uint64_t{2}), 1},
      {"KickWithoutDescriptor", VHOST_USER_SET_VRING_KICK, Payload(uint64_t{0}), 0},
      {"KickWithTwoDescriptors", VHOST_USER_SET_VRING_KICK, Payload(uint64_t{0}), 2},
      {"CallWithoutDescriptor", VHOST_USER_SET_VRING_CALL, Payload(uint64_t{0}), 0},
      {"DisplaySocketWithoutDescriptor", VHOST_USER_GPU_SET_SOCKET, {}, 0},
      {"DisplaySocketWithTwoDescriptors", VHOST_USER_GPU_SET_SOCKET, {}, 2},
      {"ConfigBeyondItsEnd", VHOST_USER_GET_CONFIG, Config(4096, 16, 16)},
      {"ConfigWhoseOffsetWraps", VHOST_USER_GET_CONFIG, Config(0xfffffff8, 16, 16)},
      {"ConfigOf4294967295Bytes", VHOST_USER_GET_CONFIG, Config(0, 0xffffffff, 16)},
      {"ConfigShorterThanItSays", VHOST_USER_GET_CONFIG, Config(0, 16, 4)},
      {"ConfigWithoutHeader", VHOST_USER_GET_CONFIG, Payload(uint32_t{0})},
      {"SetConfigBeyondItsEnd", VHOST_USER_SET_CONFIG, Config(256, 4, 4)},
      {"LogBaseThatWasNotNegotiated", VHOST_USER_SET_LOG_BASE, Payload(uint64_t{4096}, 16), 1},
      {"InflightThatWasNotNegotiated", VHOST_USER_GET_INFLIGHT_FD, Payload(uint64_t{0}, 20)},
  };
}

class BadMessage : public Conformance, public testing::WithParamInterface<RawMessage> {};

TEST_P(BadMessage, BeforeTheHandshakeIsCountedAndContained) {
  PowerOn();
  ExpectCounted(StatsError::kFrontendProtocol, [&] {
    // An answer first: the statistics page is there then.
    ASSERT_TRUE(channel().GetU64(VHOST_USER_GET_FEATURES).ok());
    SendMessage(channel(), GetParam());
    ExpectContained();
  });
}

TEST_P(BadMessage, WhileTheDeviceRunsIsCountedAndContained) {
  Boot();
  ExpectAlive();
  ExpectCounted(StatsError::kFrontendProtocol, [&] {
    SendMessage(channel(), GetParam());
    ExpectContained();
  });
}

INSTANTIATE_TEST_SUITE_P(Table, BadMessage, testing::ValuesIn(BadMessages()),
                         [](const auto& message) { return message.param.name; });

class VhostUser : public Conformance {};

TEST_F(VhostUser, EndsQuietlyWhenTheFrontendGoesInsideAHeader) {
  PowerOn();
  const std::array<std::byte, 5> bytes{};
  ASSERT_TRUE(channel().SendRaw(bytes).ok());
  channel().Close();
  EXPECT_EQ(vm().backend().WaitEnd(std::chrono::seconds(20))->kind, ChildEnd::Kind::kExited);
}

TEST_F(VhostUser, EndsQuietlyWhenTheFrontendGoesInsideAPayload) {
  PowerOn();
  SendMessage(channel(), {"", VHOST_USER_SET_FEATURES, {}, 0, kVersion, 8});
  channel().Close();
  EXPECT_EQ(vm().backend().WaitEnd(std::chrono::seconds(20))->kind, ChildEnd::Kind::kExited);
}

TEST_F(VhostUser, TakesAHeaderInTwoPieces) {
  PowerOn();
  const VhostUserHeader header{VHOST_USER_GET_FEATURES, kVersion, 0};
  ASSERT_TRUE(channel().SendRaw(BytesOf(header).first(6)).ok());
  ASSERT_TRUE(channel().SendRaw(BytesOf(header).subspan(6)).ok());
  EXPECT_TRUE(channel().Receive().ok());
}

TEST_F(VhostUser, TakesManyMessagesInOnePiece) {
  PowerOn();
  std::vector<std::byte> bytes;
  for (int i = 0; i < 10; ++i) {
    const VhostUserHeader header{VHOST_USER_GET_FEATURES, kVersion, 0};
    const auto part = BytesOf(header);
    bytes.insert(bytes.end(), part.begin(), part.end());
  }
  ASSERT_TRUE(channel().SendRaw(bytes).ok());
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(channel().Receive().ok());
}

TEST_F(VhostUser, RefusesRingAddressesOutsideGuestMemory) {
  Boot();
  ExpectAnyCounted([&] {
    ASSERT_TRUE(vm().frontend().StopRing(kControlQueue).ok());
    ASSERT_TRUE(channel().Send(VHOST_USER_SET_VRING_ADDR, Address(0, 0x1000, 0x2000, 0x3000)).ok());
    const int kick[] = {vm().frontend().queue(kControlQueue).kick_fd()};
    channel().SetU64(VHOST_USER_SET_VRING_KICK, 0, kick).IgnoreError();
    vm().frontend().EnableRing(kControlQueue, true).IgnoreError();
    ExpectContained();
  });
}

TEST_F(VhostUser, RefusesMisalignedRings) {
  Boot();
  ExpectAnyCounted([&] {
    ASSERT_TRUE(vm().frontend().StopRing(kControlQueue).ok());
    const uint64_t base = vm().ram().UserAddress(vm().ram().Allocate(16384, 4096));
    ASSERT_TRUE(channel()
                    .Send(VHOST_USER_SET_VRING_ADDR, Address(0, base + 1, base + 4099, base + 8193))
                    .ok());
    const int kick[] = {vm().frontend().queue(kControlQueue).kick_fd()};
    channel().SetU64(VHOST_USER_SET_VRING_KICK, 0, kick).IgnoreError();
    vm().frontend().EnableRing(kControlQueue, true).IgnoreError();
    ExpectContained();
  });
}

TEST_F(VhostUser, OffersWhatQemuNeedsAndNothingThatBreaks) {
  PowerOn();
  ASSERT_TRUE(vm().frontend().Realize().ok());
  const uint64_t features = vm().frontend().offered_features();
  EXPECT_NE(features & Bit(kVirtioVersion1), 0U);
  EXPECT_NE(features & Bit(kVhostUserProtocolFeatures), 0U);
  EXPECT_NE(features & Bit(VIRTIO_GPU_F_EDID), 0U);
  EXPECT_EQ(features & Bit(kVhostLogAll), 0U);  // so that migration is refused
  const uint64_t protocol = *channel().GetU64(VHOST_USER_GET_PROTOCOL_FEATURES);
  for (const uint32_t bit : {VHOST_USER_PROTOCOL_F_MQ, VHOST_USER_PROTOCOL_F_CONFIG,
                             VHOST_USER_PROTOCOL_F_REPLY_ACK, VHOST_USER_PROTOCOL_F_RESET_DEVICE}) {
    EXPECT_NE(protocol & Bit(bit), 0U) << "bit " << bit;
  }
  EXPECT_EQ(protocol & Bit(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS), 0U);
  EXPECT_EQ(protocol & Bit(VHOST_USER_PROTOCOL_F_STATUS), 0U);
  EXPECT_EQ(*channel().GetU64(VHOST_USER_GET_QUEUE_NUM), 2U);
}

TEST_F(VhostUser, AcknowledgesWhatAsksForAReply) {
  PowerOn();
  ASSERT_TRUE(vm().frontend().Realize().ok());
  const uint64_t features = vm().frontend().features();
  const absl::StatusOr<uint64_t> ack =
      channel().CallForAck(VHOST_USER_SET_FEATURES, BytesOf(features));
  ASSERT_TRUE(ack.ok()) << ack.status();
  EXPECT_EQ(*ack, 0U);
}

TEST_F(VhostUser, AnswersConfigInPieces) {
  Boot();
  const auto whole = vm().frontend().GetConfig();
  ASSERT_TRUE(whole.ok());
  const absl::StatusOr<VhostReply> reply = channel().Call(VHOST_USER_GET_CONFIG, Config(12, 4, 4));
  ASSERT_TRUE(reply.ok()) << reply.status();
  ASSERT_EQ(reply->payload.size(), 16U);
  uint32_t num_capsets = 99;
  std::memcpy(&num_capsets, reply->payload.data() + 12, 4);
  EXPECT_EQ(num_capsets, whole->num_capsets);
}

TEST_F(VhostUser, TakesTheEventsThatTheDriverClears) {
  Boot();
  ASSERT_TRUE(vm().frontend().ClearEvents(VIRTIO_GPU_EVENT_DISPLAY).ok());
  ExpectAlive();
}

TEST_F(VhostUser, WorksWithoutEventIdxAndIndirectDescriptors) {
  FrontendOptions options;
  options.event_idx = false;
  options.indirect = false;
  Boot(options);
  ExpectAlive();
}

TEST_F(VhostUser, AFrontendThatTakesNoRepliesHoldsNothingUp) {
  PowerOn();
  ExpectCounted(StatsError::kFrontendProtocol, [&] {
    ASSERT_TRUE(channel().GetU64(VHOST_USER_GET_FEATURES).ok());
    // Until its replies fill the socket; whoever does not read them is given up.
    const VhostUserHeader header{VHOST_USER_GET_FEATURES, kVersion, 0};
    std::vector<std::byte> many;
    for (int i = 0; i < 1000; ++i) {
      const auto one = BytesOf(header);
      many.insert(many.end(), one.begin(), one.end());
    }
    absl::Status sent;
    for (int i = 0; i < 1000 && sent.ok(); ++i) sent = channel().SendRaw(many);
    EXPECT_FALSE(sent.ok());
    EXPECT_EQ(vm().backend().WaitEnd(std::chrono::seconds(20))->kind, ChildEnd::Kind::kExited);
  });
}

// Right messages in a wrong order.
class WrongOrder : public VhostUser, public testing::WithParamInterface<std::vector<uint32_t>> {};

TEST_P(WrongOrder, BeforeTheHandshakeIsContained) {
  PowerOn();
  MessageReplay(&vm().frontend(), &vm().ram()).Send(GetParam()).IgnoreError();
  ExpectContained();
}

TEST_P(WrongOrder, WhileTheDeviceRunsIsContained) {
  Boot();
  MessageReplay replay(&vm().frontend(), &vm().ram());
  replay.Send(GetParam()).IgnoreError();
  ExpectContained();
}

INSTANTIATE_TEST_SUITE_P(
    Table, WrongOrder,
    testing::Values(std::vector<uint32_t>{12, 12, 18, 18},  // kicks without rings
                    std::vector<uint32_t>{9, 9}, std::vector<uint32_t>{11, 11, 11, 11},
                    std::vector<uint32_t>{18, 18, 12, 12, 9, 9, 10, 10, 8, 8, 5, 2},  // backwards
                    std::vector<uint32_t>{1, 2, 2, 2}, std::vector<uint32_t>{33, 33, 33},
                    std::vector<uint32_t>{5, 5, 5, 5}, std::vector<uint32_t>{34, 34, 4, 3, 3},
                    std::vector<uint32_t>{17, 16, 15, 1, 16}, std::vector<uint32_t>{24, 24, 25},
                    std::vector<uint32_t>{13, 13, 14, 14, 13, 13, 13, 13}));

TEST_F(VhostUser, AStartInAnyOrderIsContained) {
  std::vector<uint32_t> requests = {33, 13, 13, 2,  5,  8,  10, 9,  12, 8,
                                    10, 9,  12, 18, 18, 13, 13, 34, 11, 11};
  std::minstd_rand random(20261122);
  for (int i = 0; i < 50; ++i) {
    std::shuffle(requests.begin(), requests.end(), random);
    PowerOn();
    ASSERT_TRUE(vm().frontend().Realize().ok());
    MessageReplay(&vm().frontend(), &vm().ram()).Send(requests).IgnoreError();
    ExpectContained();
    channel().Close();
    const std::optional<ChildEnd> end = vm().backend().WaitEnd(std::chrono::seconds(20));
    ASSERT_TRUE(end.has_value());
    ASSERT_EQ(end->kind, ChildEnd::Kind::kExited) << "round " << i << " " << end->ToString();
  }
}

TEST_F(VhostUser, WorksForAFrontendWithoutReplyAckAndReset) {
  FrontendOptions options;  // QEMU 7.2 knows no RESET_DEVICE
  options.hidden_protocol_features =
      Bit(VHOST_USER_PROTOCOL_F_REPLY_ACK) | Bit(VHOST_USER_PROTOCOL_F_RESET_DEVICE);
  options.display.protocol_features = 0;
  Boot(options);
  ExpectAlive();
}

}  // namespace
}  // namespace rendercar::frontend
