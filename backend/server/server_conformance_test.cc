// Frontends that break the protocol, from raw bytes: each is disconnected and counted, none ends
// more than its own connection.
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "backend/server/server_fixture.h"

namespace rendercar::server {
namespace {

using frontend::Bit;
using frontend::BytesOf;
using frontend::VhostFrontend;
using testing::HasSubstr;

class ConformanceTest : public ServerFixture {
 protected:
  VhostFrontend Realized(frontend::FrontendOptions options = {}) {
    VhostFrontend made = MakeFrontend(ServePair(), options);
    EXPECT_TRUE(made.Realize().ok());
    return made;
  }
  // The server has hung up for the reason that contains `words`, and counted it.
  void ExpectRefused(VhostFrontend& vm, const std::string& words) {
    EXPECT_TRUE(vm.channel().ClosedWithin());
    const absl::Status end = WaitForEnd();
    EXPECT_FALSE(end.ok());
    EXPECT_THAT(std::string(end.message()), HasSubstr(words));
    EXPECT_EQ(stats_.Get(StatsError::kFrontendProtocol), 1u);
    EXPECT_EQ(log_.CountOf("destroyed"), 1u);
  }
};

TEST_F(ConformanceTest, a_frontend_without_config_is_refused_in_words) {
  frontend::FrontendOptions options;
  options.hidden_protocol_features = Bit(frontend::VHOST_USER_PROTOCOL_F_CONFIG);
  VhostFrontend vm = Realized(options);
  (void)vm.SetFeatures();
  ExpectRefused(vm, "lacks the vhost-user protocol feature CONFIG");
}

TEST_F(ConformanceTest, a_frontend_that_shares_no_memory_is_refused_in_words) {
  VhostFrontend vm = Realized();
  ASSERT_TRUE(vm.SetFeatures().ok());
  const uint32_t empty[2] = {0, 0};
  EXPECT_EQ(*vm.channel().CallForAck(frontend::VHOST_USER_SET_MEM_TABLE, BytesOf(empty)), 0u);
  (void)vm.StartRing(0);
  ExpectRefused(vm, "guest memory is not shared");
}

TEST_F(ConformanceTest, a_frontend_that_never_sends_its_memory_is_refused_in_words) {
  VhostFrontend vm = Realized();
  ASSERT_TRUE(vm.SetFeatures().ok());
  ExpectRefused(vm, "guest memory is not shared");
}

TEST_F(ConformanceTest, memory_that_is_smaller_than_its_description_is_refused_with_an_answer) {
  VhostFrontend vm = Realized();
  ASSERT_TRUE(vm.SetFeatures().ok());
  frontend::VhostUserMemory table = vm.MemoryTable();
  table.nregions = 1;
  table.regions[0].memory_size += 4096;
  const int fds[] = {ram_->regions()[0].fd.get()};
  EXPECT_EQ(*vm.channel().CallForAck(frontend::VHOST_USER_SET_MEM_TABLE,
                                     BytesOf(table).first(8 + 32), fds),
            1u);
  ExpectRefused(vm, "a region of guest memory needs");
}

TEST_F(ConformanceTest, device_features_that_were_not_offered_are_refused) {
  VhostFrontend vm = Realized();
  EXPECT_EQ(*vm.channel().CallForAck(frontend::VHOST_USER_SET_FEATURES, BytesOf(Bit(3) | Bit(30))),
            1u);
  ExpectRefused(vm, "bits that were not offered: 0x8");
}

TEST_F(ConformanceTest, logging_that_was_not_offered_is_refused) {
  VhostFrontend vm = Realized();
  (void)vm.channel().SetU64(frontend::VHOST_USER_SET_FEATURES, Bit(26) | Bit(30));
  ExpectRefused(vm, "bits that were not offered");
}

TEST_F(ConformanceTest, protocol_features_that_were_not_offered_are_refused) {
  VhostFrontend vm = Realized();
  (void)vm.channel().SetU64(frontend::VHOST_USER_SET_PROTOCOL_FEATURES, Bit(15));
  ExpectRefused(vm, "VHOST_USER_SET_PROTOCOL_FEATURES");
}

TEST_F(ConformanceTest, an_unknown_message_without_need_reply_ends_the_connection) {
  VhostFrontend vm = Realized();
  (void)vm.channel().Send(99);
  ExpectRefused(vm, "vhost-user request 99");
}

TEST_F(ConformanceTest, garbage_ends_the_connection) {
  VhostFrontend vm = Realized();
  const std::array<uint64_t, 8> garbage{0x4141414141414141, 0x4141414141414141};
  (void)vm.channel().SendRaw(BytesOf(garbage));
  ExpectRefused(vm, "");
}

TEST_F(ConformanceTest, half_a_message_and_then_nothing_ends_the_connection) {
  VhostFrontend vm = Realized();
  const uint32_t half = frontend::VHOST_USER_SET_FEATURES;
  (void)vm.channel().SendRaw(BytesOf(half));
  ::shutdown(vm.channel().fd(), SHUT_WR);
  ExpectRefused(vm, "inside a message");
}

TEST_F(ConformanceTest, a_ring_that_does_not_exist_is_refused) {
  for (const uint32_t index : {2u, 255u, std::numeric_limits<uint32_t>::max()}) {
    const frontend::VhostVringState state{index, 64};
    VhostFrontend vm = Realized();
    (void)vm.channel().Send(frontend::VHOST_USER_SET_VRING_NUM, BytesOf(state));
    EXPECT_TRUE(vm.channel().ClosedWithin());
    StopServer();
  }
}

TEST_F(ConformanceTest, get_vring_base_of_a_ring_that_does_not_exist_is_refused) {
  VhostFrontend vm = Realized();
  EXPECT_FALSE(vm.StopRing(7).ok());
  ExpectRefused(vm, "a device that has 2 rings");
}

TEST_F(ConformanceTest, a_ring_size_that_is_no_power_of_two_is_refused) {
  VhostFrontend vm = Realized();
  ASSERT_TRUE(vm.SetFeatures().ok());
  ASSERT_TRUE(vm.SendMemoryTable().ok());
  const frontend::VhostVringState state{0, 63};
  (void)vm.channel().Send(frontend::VHOST_USER_SET_VRING_NUM, BytesOf(state));
  frontend::VhostVringAddr addr{};
  (void)vm.channel().Send(frontend::VHOST_USER_SET_VRING_ADDR, BytesOf(addr));
  ExpectRefused(vm, "63 is no power of two");
}

TEST_F(ConformanceTest, ring_addresses_outside_guest_memory_are_refused_with_an_answer) {
  VhostFrontend vm = Realized();
  ASSERT_TRUE(vm.SetFeatures().ok());
  ASSERT_TRUE(vm.SendMemoryTable().ok());
  const frontend::VhostVringState state{0, 64};
  ASSERT_TRUE(vm.channel().Send(frontend::VHOST_USER_SET_VRING_NUM, BytesOf(state)).ok());
  frontend::VhostVringAddr addr{};
  addr.desc_user_addr = std::numeric_limits<uint64_t>::max() - 15;
  EXPECT_EQ(*vm.channel().CallForAck(frontend::VHOST_USER_SET_VRING_ADDR, BytesOf(addr)), 1u);
  ExpectRefused(vm, "do not lie in guest memory");
}

TEST_F(ConformanceTest, a_kick_descriptor_that_cannot_be_watched_is_refused) {
  VhostFrontend vm = Realized();
  const UniqueFd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const int fds[] = {file.get()};
  (void)vm.channel().SetU64(frontend::VHOST_USER_SET_VRING_KICK, 0, fds);
  ExpectRefused(vm, "an eventfd is needed");
}

TEST_F(ConformanceTest, a_ring_without_a_kick_descriptor_is_refused) {
  VhostFrontend vm = Realized();
  (void)vm.channel().SetU64(frontend::VHOST_USER_SET_VRING_KICK, frontend::kVringNoFd);
  ExpectRefused(vm, "polling is not supported");
}

TEST_F(ConformanceTest, a_display_socket_that_is_no_socket_is_refused) {
  VhostFrontend vm = Realized();
  const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int fds[] = {file.get()};
  (void)vm.channel().Send(frontend::VHOST_USER_GPU_SET_SOCKET, {}, fds);
  ExpectRefused(vm, "no socket");
}

TEST_F(ConformanceTest, a_ring_is_not_set_up_while_it_runs) {
  VhostFrontend vm = Realized();
  ASSERT_TRUE(vm.Start().ok());
  ASSERT_TRUE(Echo(vm, 0, 1));
  const frontend::VhostVringState state{0, 32};
  (void)vm.channel().Send(frontend::VHOST_USER_SET_VRING_NUM, BytesOf(state));
  ExpectRefused(vm, "while it runs");
}

TEST_F(ConformanceTest, surplus_descriptors_are_closed_and_refused) {
  VhostFrontend vm = Realized();
  const UniqueFd extra(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int fds[] = {extra.get()};
  (void)vm.channel().Send(frontend::VHOST_USER_GET_FEATURES, {}, fds);
  ExpectRefused(vm, "1 descriptors came, 0 are due");
}

TEST_F(ConformanceTest, kick_and_call_may_be_pipes) {
  VhostFrontend vm = Realized();
  ASSERT_TRUE(vm.Start().ok());
  int pipe_fds[2];
  ASSERT_EQ(::pipe2(pipe_fds, O_CLOEXEC), 0);
  const UniqueFd read_end(pipe_fds[0]), write_end(pipe_fds[1]);
  const int fds[] = {read_end.get()};
  ASSERT_TRUE(vm.channel().SetU64(frontend::VHOST_USER_SET_VRING_KICK, 0, fds).ok());
  const int call[] = {write_end.get()};
  ASSERT_TRUE(vm.channel().SetU64(frontend::VHOST_USER_SET_VRING_CALL, 1, call).ok());
  EXPECT_EQ(*vm.channel().GetU64(frontend::VHOST_USER_GET_QUEUE_NUM), 2u);
}

}  // namespace
}  // namespace rendercar::server
