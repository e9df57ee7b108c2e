// vhost-user messages from raw bytes: what the specification's tables say is taken, and nothing
// else.
// SPDX-License-Identifier: Apache-2.0
#include "backend/wire/vhost_user_decode.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cstring>
#include <string>

#include "backend/wire/vhost_user_reader.h"
#include "common/unix_socket.h"

namespace rendercar::wire {
namespace {

template <typename... Ts>
std::vector<std::byte> Bytes(const Ts&... values) {
  std::vector<std::byte> bytes((sizeof(Ts) + ... + 0));
  size_t at = 0;
  ((std::memcpy(bytes.data() + at, &values, sizeof(values)), at += sizeof(values)), ...);
  return bytes;
}

std::vector<UniqueFd> Fds(size_t count) {
  std::vector<UniqueFd> fds;
  for (size_t i = 0; i < count; ++i) fds.emplace_back(::eventfd(0, EFD_CLOEXEC));
  return fds;
}

absl::StatusOr<VhostUserMessage> Decode(uint32_t request, const std::vector<std::byte>& payload,
                                        size_t fds = 0) {
  return DecodeVhostUser({request, VHOST_USER_VERSION, static_cast<uint32_t>(payload.size())},
                         payload, Fds(fds));
}

// What the specification's table says of each request that takes a payload of one size.
struct Rule {
  uint32_t request;
  size_t payload_bytes;
  size_t fds;
};
const Rule kRules[] = {
    {VHOST_USER_GET_FEATURES, 0, 0},
    {VHOST_USER_SET_FEATURES, 8, 0},
    {VHOST_USER_SET_OWNER, 0, 0},
    {VHOST_USER_RESET_OWNER, 0, 0},
    {VHOST_USER_SET_VRING_NUM, 8, 0},
    {VHOST_USER_SET_VRING_ADDR, 40, 0},
    {VHOST_USER_SET_VRING_BASE, 8, 0},
    {VHOST_USER_GET_VRING_BASE, 8, 0},
    {VHOST_USER_SET_VRING_KICK, 8, 1},
    {VHOST_USER_SET_VRING_CALL, 8, 1},
    {VHOST_USER_SET_VRING_ERR, 8, 1},
    {VHOST_USER_GET_PROTOCOL_FEATURES, 0, 0},
    {VHOST_USER_SET_PROTOCOL_FEATURES, 8, 0},
    {VHOST_USER_GET_QUEUE_NUM, 0, 0},
    {VHOST_USER_SET_VRING_ENABLE, 8, 0},
    {VHOST_USER_GET_CONFIG, 12, 0},
    {VHOST_USER_SET_CONFIG, 12, 0},
    {VHOST_USER_GPU_SET_SOCKET, 0, 1},
    {VHOST_USER_RESET_DEVICE, 0, 0},
    {VHOST_USER_SET_MEM_TABLE, 8, 0},
};

TEST(VhostUserDecodeTest, every_request_takes_its_size_and_descriptors) {
  for (const Rule& rule : kRules) {
    const auto message = Decode(rule.request, std::vector<std::byte>(rule.payload_bytes), rule.fds);
    EXPECT_TRUE(message.ok()) << message.status();
  }
}

TEST(VhostUserDecodeTest, every_request_refuses_any_other_size) {
  for (const Rule& rule : kRules) {
    for (const size_t size : {size_t{0}, rule.payload_bytes - 1, rule.payload_bytes + 1, size_t{7},
                              size_t{kMaxVhostUserPayload}}) {
      if (size == rule.payload_bytes || size > kMaxVhostUserPayload) continue;
      EXPECT_FALSE(Decode(rule.request, std::vector<std::byte>(size), rule.fds).ok())
          << VhostUserRequestName(rule.request) << " with " << size;
    }
  }
}

TEST(VhostUserDecodeTest, every_request_refuses_surplus_and_missing_descriptors) {
  for (const Rule& rule : kRules) {
    const std::vector<std::byte> payload(rule.payload_bytes);
    EXPECT_FALSE(Decode(rule.request, payload, rule.fds + 1).ok())
        << VhostUserRequestName(rule.request);
    if (rule.fds > 0) {
      EXPECT_FALSE(Decode(rule.request, payload, 0).ok()) << VhostUserRequestName(rule.request);
    }
  }
}

TEST(VhostUserDecodeTest, a_memory_table_has_a_descriptor_for_each_region) {
  const VhostUserMemoryRegion region{0x1000, 0x2000, 0x7000000, 0x3000};
  const auto payload = Bytes(VhostUserMemoryHeader{2, 0}, region, region);
  const auto message = Decode(VHOST_USER_SET_MEM_TABLE, payload, 2);
  ASSERT_TRUE(message.ok()) << message.status();
  const auto& table = std::get<SetMemTable>(*message);
  EXPECT_EQ(table.regions[1].description.memory_size, 0x2000u);
  EXPECT_TRUE(table.regions[1].fd.valid());
  EXPECT_FALSE(Decode(VHOST_USER_SET_MEM_TABLE, payload, 1).ok());
  EXPECT_FALSE(Decode(VHOST_USER_SET_MEM_TABLE, payload, 3).ok());
}

TEST(VhostUserDecodeTest, a_memory_table_of_too_many_regions_is_refused) {
  EXPECT_FALSE(Decode(VHOST_USER_SET_MEM_TABLE, Bytes(VhostUserMemoryHeader{9, 0}), 0).ok());
  EXPECT_FALSE(
      Decode(VHOST_USER_SET_MEM_TABLE, Bytes(VhostUserMemoryHeader{0xffffffff, 0}), 0).ok());
}

TEST(VhostUserDecodeTest, a_ring_descriptor_may_be_left_out_if_the_message_says_so) {
  const auto message =
      Decode(VHOST_USER_SET_VRING_CALL, Bytes(uint64_t{1 | VHOST_USER_VRING_NOFD_MASK}));
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_FALSE(std::get<SetVringFd>(*message).fd.valid());
  EXPECT_EQ(std::get<SetVringFd>(*message).index, 1u);
}

TEST(VhostUserDecodeTest, impossible_values_are_refused) {
  EXPECT_FALSE(Decode(VHOST_USER_SET_VRING_BASE, Bytes(uint32_t{0}, uint32_t{65536})).ok());
  EXPECT_FALSE(Decode(VHOST_USER_SET_VRING_ENABLE, Bytes(uint32_t{0}, uint32_t{2})).ok());
  EXPECT_FALSE(
      Decode(VHOST_USER_GET_CONFIG, Bytes(VhostUserConfigHeader{0xffffffff, 1, 0}, 'x')).ok());
  EXPECT_FALSE(Decode(VHOST_USER_GET_CONFIG, Bytes(VhostUserConfigHeader{0, 257, 0})).ok());
}

TEST(VhostUserDecodeTest, an_unknown_request_is_told_apart_from_a_wrong_one) {
  const auto message = Decode(99, Bytes(uint64_t{1}), 1);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(std::get<Unsupported>(*message).request, 99u);
}

TEST(VhostUserDecodeTest, headers_that_cannot_be_are_refused) {
  EXPECT_FALSE(CheckHeader({VHOST_USER_GET_FEATURES, 0, 0}).ok());
  EXPECT_FALSE(CheckHeader({VHOST_USER_GET_FEATURES, 2, 0}).ok());
  EXPECT_FALSE(CheckHeader({VHOST_USER_GET_FEATURES, 1 | VHOST_USER_REPLY_MASK, 0}).ok());
  EXPECT_FALSE(CheckHeader({VHOST_USER_GET_FEATURES, 1, 0xffffffff}).ok());
  EXPECT_TRUE(CheckHeader({VHOST_USER_GET_FEATURES, 1 | VHOST_USER_NEED_REPLY_MASK, 0}).ok());
}

TEST(VhostUserDecodeTest, a_reply_carries_request_version_and_flag) {
  const auto bytes = EncodeVhostUserReply(VHOST_USER_GET_FEATURES, Bytes(uint64_t{5}));
  EXPECT_EQ(bytes, Bytes(VhostUserHeader{1, 5, 8}, uint64_t{5}));
}

class VhostUserReaderTest : public testing::Test {
 protected:
  VhostUserReaderTest() : sockets_(*CreateSocketPair(SOCK_STREAM)), reader_(sockets_.a.get()) {}
  void Send(std::span<const std::byte> bytes, size_t fds = 0) {
    const auto owned = Fds(fds);
    std::vector<int> raw;
    for (const UniqueFd& fd : owned) raw.push_back(fd.get());
    ASSERT_TRUE(SendWithFds(sockets_.b.get(), bytes, raw).ok());
  }

  SocketPair sockets_;
  VhostUserReader reader_;
};

TEST_F(VhostUserReaderTest, a_message_in_single_bytes_is_put_together) {
  const auto bytes = Bytes(VhostUserHeader{VHOST_USER_SET_FEATURES, 1, 8}, uint64_t{42});
  for (size_t i = 0; i + 1 < bytes.size(); ++i) {
    Send(std::span(bytes).subspan(i, 1));
    const auto message = reader_.Read();
    ASSERT_TRUE(message.ok()) << message.status();
    EXPECT_FALSE(message->has_value());
  }
  Send(std::span(bytes).last(1));
  const auto message = reader_.Read();
  ASSERT_TRUE(message.ok() && message->has_value());
  EXPECT_EQ(std::get<SetFeatures>((*message)->message).features, 42u);
}

TEST_F(VhostUserReaderTest, two_messages_keep_their_own_descriptors) {
  const auto bytes = Bytes(VhostUserHeader{VHOST_USER_SET_VRING_CALL, 1, 8}, uint64_t{0});
  Send(bytes, 1);
  Send(Bytes(VhostUserHeader{VHOST_USER_GET_FEATURES, 1, 0}));
  Send(bytes, 1);
  EXPECT_TRUE(std::holds_alternative<SetVringFd>((**reader_.Read()).message));
  EXPECT_TRUE(std::holds_alternative<GetFeatures>((**reader_.Read()).message));
  EXPECT_TRUE(std::get<SetVringFd>((**reader_.Read()).message).fd.valid());
  EXPECT_FALSE(reader_.Read()->has_value());
}

TEST_F(VhostUserReaderTest, a_frontend_that_goes_between_messages_is_no_error_of_the_protocol) {
  sockets_.b.Reset();
  EXPECT_TRUE(absl::IsAborted(reader_.Read().status()));
}

TEST_F(VhostUserReaderTest, a_frontend_that_goes_inside_a_message_breaks_the_protocol) {
  Send(std::vector<std::byte>(5, std::byte{1}));
  sockets_.b.Reset();
  EXPECT_TRUE(absl::IsInvalidArgument(reader_.Read().status()));
}

TEST_F(VhostUserReaderTest, descriptors_in_the_middle_of_a_message_are_refused) {
  Send(Bytes(VhostUserHeader{VHOST_USER_SET_FEATURES, 1, 8}));
  EXPECT_FALSE(reader_.Read()->has_value());
  Send(Bytes(uint64_t{0}), 1);
  EXPECT_FALSE(reader_.Read().ok());
}

TEST_F(VhostUserReaderTest, more_descriptors_than_any_message_has_are_refused) {
  Send(Bytes(VhostUserHeader{VHOST_USER_SET_MEM_TABLE, 1, 8}), kMaxVhostUserFds + 1);
  EXPECT_FALSE(reader_.Read().ok());
}

}  // namespace
}  // namespace rendercar::wire
