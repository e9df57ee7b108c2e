// The server as a frontend sees it: the whole of a device's life, and what happens around it.
// SPDX-License-Identifier: Apache-2.0
#include "backend/server/server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "backend/server/server_fixture.h"
#include "common/temp_dir.h"

namespace rendercar::server {
namespace {

using frontend::Bit;
using frontend::BytesOf;
using frontend::kControlQueue;
using frontend::kCursorQueue;
using frontend::VhostFrontend;
using testing::HasSubstr;

class ServerTest : public ServerFixture {
 protected:
  VhostFrontend Running(frontend::FrontendOptions options = {}) {
    VhostFrontend made = MakeFrontend(ServePair(), options);
    EXPECT_TRUE(made.Realize().ok());
    EXPECT_TRUE(made.Start().ok());
    return made;
  }
};

TEST_F(ServerTest, features_queues_and_config_are_answered) {
  VhostFrontend vm = MakeFrontend(ServePair());
  ASSERT_TRUE(vm.Realize().ok());
  EXPECT_EQ(vm.offered_features(), 3u | Bit(28) | Bit(29) | Bit(30) | Bit(32));
  EXPECT_EQ(vm.protocol_features(), Bit(0) | Bit(3) | Bit(9) | Bit(13));
  EXPECT_EQ(*vm.channel().GetU64(frontend::VHOST_USER_GET_QUEUE_NUM), 2u);
  const auto config = vm.GetConfig();
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->num_capsets, 2u);
}

TEST_F(ServerTest, requests_on_both_queues_are_answered) {
  VhostFrontend vm = Running();
  for (uint64_t i = 0; i < 100; ++i) {
    EXPECT_TRUE(Echo(vm, kControlQueue, i));
    EXPECT_TRUE(Echo(vm, kCursorQueue, ~i));
  }
}

TEST_F(ServerTest, rings_without_event_idx_and_indirect_work_too) {
  VhostFrontend vm = Running({.event_idx = false, .indirect = false});
  for (uint64_t i = 0; i < 100; ++i) EXPECT_TRUE(Echo(vm, kControlQueue, i));
}

TEST_F(ServerTest, a_pause_keeps_what_the_guest_made_and_loses_no_request) {
  VhostFrontend vm = Running();
  EXPECT_TRUE(Echo(vm, kControlQueue, 1));
  ASSERT_TRUE(vm.Stop().ok());
  ASSERT_TRUE(vm.Start().ok());
  EXPECT_TRUE(Echo(vm, kControlQueue, 2));
  EXPECT_EQ(log_.CountOf("reset"), 0u);
  EXPECT_EQ(log_.CountOf("display"), 2u);
}

TEST_F(ServerTest, a_request_that_waits_in_a_stopped_ring_is_answered_after_the_start) {
  VhostFrontend vm = Running();
  ASSERT_TRUE(vm.Stop().ok());
  const uint64_t addr = ram_->Allocate(32);
  auto& ring = vm.queue(kControlQueue);
  ring.Add(std::array{frontend::Buffer{addr, 8}, frontend::Buffer{addr + 16, 8, true}});
  ring.Publish();
  ASSERT_TRUE(vm.Start().ok());
  EXPECT_TRUE(ring.WaitUsed(std::chrono::seconds(20)));
}

TEST_F(ServerTest, requests_in_flight_are_answered_before_a_ring_is_said_to_be_stopped) {
  VhostFrontend vm = Running();
  log_.hold = true;
  const uint64_t addr = ram_->Allocate(32);
  auto& ring = vm.queue(kControlQueue);
  for (int i = 0; i < 5; ++i)
    ring.Add(std::array{frontend::Buffer{addr, 8}, frontend::Buffer{addr + 16, 8, true}});
  ring.Publish();
  while (log_.requests < 5) std::this_thread::yield();
  EXPECT_EQ(ring.used_index(), 0u);
  ASSERT_EQ(*vm.StopRing(kControlQueue), 5u);
  EXPECT_EQ(ring.used_index(), 5u);
}

TEST_F(ServerTest, a_reset_device_drops_what_the_guest_made) {
  VhostFrontend vm = Running();
  EXPECT_TRUE(Echo(vm, kControlQueue, 1));
  ASSERT_TRUE(vm.Stop().ok());
  ASSERT_TRUE(vm.ResetDevice().ok());
  vm.ForgetRings();
  ASSERT_TRUE(vm.Start().ok());
  EXPECT_TRUE(Echo(vm, kControlQueue, 2));
  EXPECT_EQ(log_.CountOf("reset"), 1u);
}

TEST_F(ServerTest,
       a_ring_that_starts_elsewhere_means_a_driver_reset_to_a_frontend_that_cannot_say_so) {
  frontend::FrontendOptions options;
  options.hidden_protocol_features = Bit(frontend::VHOST_USER_PROTOCOL_F_RESET_DEVICE);
  VhostFrontend vm = Running(options);
  EXPECT_TRUE(Echo(vm, kControlQueue, 1));
  ASSERT_TRUE(vm.Stop().ok());
  vm.ForgetRings();
  ASSERT_TRUE(vm.Start().ok());
  EXPECT_TRUE(Echo(vm, kControlQueue, 2));
  EXPECT_EQ(log_.CountOf("reset"), 1u);
}

TEST_F(ServerTest, the_memory_table_may_come_again_while_rings_run) {
  VhostFrontend vm = Running();
  for (uint64_t i = 0; i < 20; ++i) {
    EXPECT_TRUE(Echo(vm, kControlQueue, i));
    ASSERT_TRUE(vm.SendMemoryTable().ok());
  }
}

TEST_F(ServerTest, a_frontend_without_reply_ack_gets_no_acknowledgement) {
  frontend::FrontendOptions options;
  options.hidden_protocol_features = Bit(frontend::VHOST_USER_PROTOCOL_F_REPLY_ACK);
  VhostFrontend vm = Running(options);
  const frontend::VhostUserMemory table = vm.MemoryTable();
  EXPECT_TRUE(Echo(vm, kControlQueue, 1));
  EXPECT_EQ(table.nregions, 2u);
  // Nothing but the reply to this comes.
  EXPECT_EQ(*vm.channel().GetU64(frontend::VHOST_USER_GET_QUEUE_NUM), 2u);
}

TEST_F(ServerTest, a_need_reply_is_answered_once_for_every_kind_of_message) {
  VhostFrontend vm = MakeFrontend(ServePair());
  ASSERT_TRUE(vm.Realize().ok());
  auto& channel = vm.channel();
  EXPECT_EQ(*channel.CallForAck(frontend::VHOST_USER_SET_OWNER, {}), 0u);
  EXPECT_EQ(*channel.CallForAck(frontend::VHOST_USER_SET_FEATURES, BytesOf(Bit(32) | Bit(30))), 0u);
  EXPECT_EQ(*channel.CallForAck(frontend::VHOST_USER_RESET_DEVICE, {}), 0u);
  const frontend::VhostVringState num{0, 64};
  EXPECT_EQ(*channel.CallForAck(frontend::VHOST_USER_SET_VRING_NUM, BytesOf(num)), 0u);
  EXPECT_EQ(*channel.GetU64(frontend::VHOST_USER_GET_QUEUE_NUM), 2u);
}

TEST_F(ServerTest, a_message_of_a_feature_that_is_not_offered_is_refused_if_it_can_be) {
  VhostFrontend vm = MakeFrontend(ServePair());
  ASSERT_TRUE(vm.Realize().ok());
  const uint64_t log_base[2] = {0, 0};
  EXPECT_EQ(*vm.channel().CallForAck(frontend::VHOST_USER_SET_LOG_BASE, BytesOf(log_base)), 1u);
  EXPECT_EQ(*vm.channel().GetU64(frontend::VHOST_USER_GET_QUEUE_NUM), 2u);
}

TEST_F(ServerTest, the_configuration_is_answered_while_the_device_is_busy) {
  VhostFrontend vm = Running();
  log_.block = true;
  const uint64_t addr = ram_->Allocate(32);
  auto& ring = vm.queue(kControlQueue);
  ring.Add(std::array{frontend::Buffer{addr, 8}, frontend::Buffer{addr + 16, 8, true}});
  ring.Publish();
  while (log_.requests < 1) std::this_thread::yield();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(vm.GetConfig().ok());
  EXPECT_EQ(ring.used_index(), 0u);
  log_.block = false;
}

TEST_F(ServerTest, a_burst_is_answered_with_few_notifications) {
  VhostFrontend vm = Running({.control_size = 256});
  auto& ring = vm.queue(kControlQueue);
  const uint64_t addr = ram_->Allocate(32);
  log_.block = true;
  ring.Add(std::array{frontend::Buffer{addr, 8}, frontend::Buffer{addr + 16, 8, true}});
  ring.Publish();
  while (log_.requests < 1) std::this_thread::yield();
  for (int i = 0; i < 100; ++i)
    ring.Add(std::array{frontend::Buffer{addr, 8}, frontend::Buffer{addr + 16, 8, true}});
  ring.Publish();
  log_.block = false;
  while (ring.used_index() < 101) std::this_thread::yield();
  EXPECT_LE(stats_.Get(StatsValue::kQueueNotifications), 4u);
  EXPECT_LE(ring.kicks(), 2u);
}

TEST_F(ServerTest, a_device_without_room_leaves_requests_in_the_ring) {
  VhostFrontend vm = Running();
  log_.refuse = true;
  auto& ring = vm.queue(kControlQueue);
  const uint64_t addr = ram_->Allocate(32);
  const size_t batches = log_.CountOf("batch");
  ring.Add(std::array{frontend::Buffer{addr, 8}, frontend::Buffer{addr + 16, 8, true}});
  ring.Publish();
  while (log_.CountOf("batch") == batches) std::this_thread::yield();
  EXPECT_EQ(log_.requests, 0u);
  log_.refuse = false;
  // Any message that reaches the work thread makes it look again.
  ASSERT_TRUE(vm.EnableRing(kControlQueue, true).ok());
  EXPECT_TRUE(ring.WaitUsed(std::chrono::seconds(20)));
}

TEST_F(ServerTest, a_flood_of_messages_is_held_back_by_the_socket) {
  VhostFrontend vm = Running();
  const uint64_t addr = ram_->Allocate(32);
  auto& ring = vm.queue(kControlQueue);
  log_.block = true;
  ring.Add(std::array{frontend::Buffer{addr, 8}, frontend::Buffer{addr + 16, 8, true}});
  ring.Publish();
  while (log_.requests == 0) std::this_thread::yield();
  ::fcntl(vm.channel().fd(), F_SETFL, O_NONBLOCK);
  const frontend::VhostVringState enable{kControlQueue, 1};
  absl::Status sent;
  int taken = 0;
  for (; sent.ok() && taken < 100'000; ++taken)
    sent = vm.channel().Send(frontend::VHOST_USER_SET_VRING_ENABLE, frontend::BytesOf(enable));
  log_.block = false;
  EXPECT_TRUE(absl::IsUnavailable(sent)) << sent << " after " << taken;
}

TEST_F(ServerTest, a_malformed_ring_is_stopped_and_the_device_goes_on) {
  VhostFrontend vm = Running();
  vm.queue(kControlQueue).PublishHead(9999);
  while (!vm.queue(kControlQueue).TakeError()) std::this_thread::yield();
  EXPECT_EQ(stats_.Get(StatsError::kBadDescriptor), 1u);
  EXPECT_TRUE(Echo(vm, kCursorQueue, 7));
  ASSERT_TRUE(vm.Stop().ok());
  ASSERT_TRUE(vm.ResetDevice().ok());
  vm.ForgetRings();
  ASSERT_TRUE(vm.Start().ok());
  EXPECT_TRUE(Echo(vm, kControlQueue, 8));
}

TEST_F(ServerTest, a_frontend_that_goes_ends_the_server_and_the_device) {
  {
    VhostFrontend vm = Running();
    EXPECT_TRUE(Echo(vm, kControlQueue, 1));
  }
  EXPECT_TRUE(WaitForEnd().ok());
  EXPECT_EQ(log_.CountOf("destroyed"), 1u);
  EXPECT_EQ(stats_.Get(StatsValue::kFrontendConnected), 0u);
}

TEST_F(ServerTest, a_persistent_server_gives_each_frontend_a_fresh_device) {
  const TempDir dir;
  ServePath(dir / "gpu.sock", true);
  for (int i = 0; i < 3; ++i) {
    VhostFrontend vm = MakeFrontend(*ConnectUnix(dir / "gpu.sock"));
    ASSERT_TRUE(vm.Realize().ok());
    ASSERT_TRUE(vm.Start().ok());
    EXPECT_TRUE(Echo(vm, kControlQueue, 1));
    vm.channel().Close();
    while (log_.CountOf("destroyed") != static_cast<size_t>(i) + 1) std::this_thread::yield();
  }
}

TEST_F(ServerTest, a_second_frontend_is_turned_away) {
  const TempDir dir;
  ServePath(dir / "gpu.sock", false);
  VhostFrontend vm = MakeFrontend(*ConnectUnix(dir / "gpu.sock"));
  ASSERT_TRUE(vm.Realize().ok());
  ASSERT_TRUE(vm.Start().ok());
  frontend::VhostChannel second(*ConnectUnix(dir / "gpu.sock"));
  EXPECT_TRUE(second.ClosedWithin());
  EXPECT_TRUE(Echo(vm, kControlQueue, 1));
}

TEST_F(ServerTest, stopping_the_server_removes_its_socket) {
  const TempDir dir;
  ServePath(dir / "gpu.sock", false);
  VhostFrontend vm = MakeFrontend(*ConnectUnix(dir / "gpu.sock"));
  ASSERT_TRUE(vm.Realize().ok());
  StopServer();
  EXPECT_FALSE(std::filesystem::exists(dir / "gpu.sock"));
  EXPECT_TRUE(vm.channel().ClosedWithin());
}

TEST_F(ServerTest, memory_that_is_truncated_under_the_device_is_survived) {
  seal_ram_ = false;  // and made so that it takes no seal from us
  VhostFrontend vm = MakeFrontend(ServePair());
  ASSERT_TRUE(vm.Realize().ok());
  ASSERT_TRUE(vm.Start().ok());
  EXPECT_TRUE(Echo(vm, kCursorQueue, 1));
  const uint64_t addr = ram_->Allocate(32);
  auto& ring = vm.queue(kControlQueue);
  log_.block = true;
  ring.Add(std::array{frontend::Buffer{addr, 8}, frontend::Buffer{addr + 16, 8, true}});
  ring.Publish();
  while (log_.requests < 2) std::this_thread::yield();
  ASSERT_EQ(::ftruncate(ram_->regions()[1].fd.get(), 0), 0);
  log_.block = false;
  while (stats_.Get(StatsError::kMemoryLost) == 0) std::this_thread::yield();
  EXPECT_TRUE(vm.GetConfig().ok());
}

}  // namespace
}  // namespace rendercar::server
