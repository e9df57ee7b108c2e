// Pause, resume, reset, memory that comes and goes, frontends that vanish; and that nothing leaks.
// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "tests/conformance/conformance.h"

namespace rendercar::frontend {
namespace {

constexpr uint32_t kWidth = 320, kHeight = 200;
constexpr Rect kAll{0, 0, kWidth, kHeight};

class Lifecycle : public Conformance {
 protected:
  void ShowPicture(uint32_t seed) {
    if (resources_.count(1) == 0) CreateResource(1, kWidth, kHeight);
    Draw(1, TestPicture(kWidth, kHeight, seed));
    EXPECT_EQ(gpu().TypeOf(SetScanout(0, 1, kAll)), VIRTIO_GPU_RESP_OK_NODATA);
    TransferAndFlush(1, kAll);
    EXPECT_TRUE(display().WaitForPicture(0, TestPicture(kWidth, kHeight, seed)));
  }
};

TEST_F(Lifecycle, APausedDeviceShowsItsPictureAgainWhenItResumes) {
  Boot();
  ShowPicture(1);
  ASSERT_TRUE(vm().Pause().ok());
  ASSERT_TRUE(vm().Resume().ok());
  EXPECT_TRUE(display().WaitForPicture(0, TestPicture(kWidth, kHeight, 1)));
  ShowPicture(2);  // the resource is still there
}

TEST_F(Lifecycle, TwentyPausesInARowKeepEverything) {
  Boot();
  ShowPicture(1);
  for (uint32_t i = 2; i < 22; ++i) {
    ASSERT_TRUE(vm().Pause().ok());
    ASSERT_TRUE(vm().Resume().ok());
    ShowPicture(i);
  }
}

TEST_F(Lifecycle, APauseWhileDrawingAnswersEveryCommandFirst) {
  Boot();
  ShowPicture(1);
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 16; ++i) {
      ASSERT_TRUE(gpu().Post(TransferToHost2d(1, kAll, 0)).has_value());
      ASSERT_TRUE(gpu().Post(ResourceFlush(1, kAll)).has_value());
    }
    gpu().Publish();
    ASSERT_TRUE(vm().Pause().ok());
    const uint16_t used_when_stopped = gpu().queue().used_index();
    ASSERT_TRUE(vm().Resume().ok());
    while (gpu().in_flight() > 0) ASSERT_TRUE(gpu().WaitSlot().has_value());
    EXPECT_LE(used_when_stopped, gpu().queue().used_index());
  }
  ShowPicture(3);
}

TEST_F(Lifecycle, AGuestThatNeverRestsHoldsUpNeitherDisplayNorPause) {
  Boot();
  ShowPicture(1);
  Draw(1, TestPicture(kWidth, kHeight, 2));
  TransferAndFlush(1, kAll);
  std::atomic<bool> stop{false};
  std::thread guest([&] {  // one command at a time, each as soon as the last is answered
    while (!stop && gpu().Post(ResourceUnref(99)).has_value()) {
      gpu().Publish();
      while (!stop && !gpu().WaitSlot(std::chrono::milliseconds(50))) continue;
    }
  });
  EXPECT_TRUE(display().WaitForPicture(0, TestPicture(kWidth, kHeight, 2)));
  EXPECT_TRUE(vm().frontend().StopRing(kControlQueue).ok());
  stop = true;
  guest.join();
}

TEST_F(Lifecycle, ARingThatIsDisabledAnswersNothing) {
  Boot();
  ASSERT_TRUE(vm().frontend().EnableRing(kControlQueue, false).ok());
  ASSERT_TRUE(vm().frontend().GetConfig().ok());  // it has been read
  ASSERT_TRUE(gpu().Post(Header(VIRTIO_GPU_CMD_GET_DISPLAY_INFO)).has_value());
  gpu().Publish();
  EXPECT_FALSE(gpu().WaitSlot(std::chrono::milliseconds(100)).has_value());
  ASSERT_TRUE(vm().frontend().EnableRing(kControlQueue, true).ok());
  gpu().queue().Kick();
  EXPECT_TRUE(gpu().WaitSlot().has_value());
}

TEST_F(Lifecycle, AResetDropsWhatTheGuestMade) {
  Boot();
  ShowPicture(1);
  ASSERT_TRUE(vm().Reset().ok());
  EXPECT_EQ(gpu().TypeOf(ResourceUnref(1)), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
  EXPECT_EQ(Stats()[StatsValue::kResources], 0U);
  EXPECT_EQ(Stats()[StatsValue::kResourceBytes], 0U);
  resources_.clear();
  ShowPicture(2);
}

TEST_F(Lifecycle, AResetWithoutResetDeviceDropsToo) {
  FrontendOptions options;  // QEMU 7.2: the rings' bases tell
  options.hidden_protocol_features = Bit(VHOST_USER_PROTOCOL_F_RESET_DEVICE);
  Boot(options);
  ShowPicture(1);
  ASSERT_TRUE(vm().Reset().ok());
  EXPECT_EQ(gpu().TypeOf(ResourceUnref(1)), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
}

TEST_F(Lifecycle, AThousandResetsLeakNothing) {
  Boot();
  const auto use = [&] {
    resources_.clear();
    const uint64_t mark = vm().ram().mark();
    CreateResource(1, kWidth, kHeight);
    EXPECT_EQ(gpu().TypeOf(SetScanout(0, 1, kAll)), VIRTIO_GPU_RESP_OK_NODATA);
    TransferAndFlush(1, kAll);
    ASSERT_TRUE(vm().Reset().ok());
    vm().ram().ReleaseTo(mark);
  };
  for (int i = 0; i < 100; ++i) use();  // caches fill, the allocator finds its size
  const ProcessUsage before = vm().backend().tree_usage();
  for (int i = 0; i < 1000; ++i) use();
  const ProcessUsage after = vm().backend().tree_usage();
  // Some that were replaced are open a moment longer, at either time.
  EXPECT_LE(after.descriptors, before.descriptors + 8);
  EXPECT_LE(after.mappings, before.mappings + 2);
#ifndef __SANITIZE_ADDRESS__  // which keeps what was freed for a while
  EXPECT_LE(after.rss_bytes, before.rss_bytes + (1U << 20));
#endif
  EXPECT_LE(after.shmem_bytes, before.shmem_bytes + (1U << 20));
  ExpectAlive();
}

TEST_F(Lifecycle, ResetDeviceAloneStopsTheRings) {
  Boot();
  ShowPicture(1);
  ASSERT_TRUE(vm().frontend().ResetDevice().ok());
  ASSERT_TRUE(vm().frontend().GetConfig().ok());
  ASSERT_TRUE(vm().Reset().ok());
  ExpectAlive();
}

TEST_F(Lifecycle, MemoryThatIsSentAgainKeepsItsMappings) {
  Boot();
  ShowPicture(1);
  const ProcessUsage before = vm().backend().usage();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(vm().frontend().SendMemoryTable().ok());
  const ProcessUsage after = vm().backend().usage();
  EXPECT_LE(after.mappings, before.mappings + 2);
  EXPECT_LE(after.descriptors, before.descriptors + 2);
  ShowPicture(2);
}

TEST_F(Lifecycle, MemoryThatGoesAwayFailsItsTransfersOnly) {
  Boot();
  ShowPicture(1);
  // A backing in the low region, which then leaves the table.
  ASSERT_EQ(gpu().TypeOf(ResourceCreate2d(2, 32, 32, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM)),
            VIRTIO_GPU_RESP_OK_NODATA);
  const GuestSpan low[] = {{0x10000, 4096}};
  ASSERT_EQ(gpu().AttachBacking(2, low), VIRTIO_GPU_RESP_OK_NODATA);
  VhostUserMemory table = vm().frontend().MemoryTable();
  table.regions[0] = table.regions[1];
  table.nregions = 1;
  const int fds[] = {vm().ram().regions()[1].fd.get()};
  const absl::StatusOr<uint64_t> ack = channel().CallForAck(
      VHOST_USER_SET_MEM_TABLE, BytesOf(table).first(8 + sizeof(VhostUserMemoryRegion)), fds);
  ASSERT_TRUE(ack.ok()) << ack.status();
  EXPECT_EQ(*ack, 0U);
  const uint32_t type = gpu().TypeOf(TransferToHost2d(2, {0, 0, 32, 32}, 0));
  EXPECT_EQ(type & 0xff00U, 0x1200U);
  ShowPicture(2);
}

TEST_F(Lifecycle, MemoryThatTheFrontendTruncatesKillsNobody) {
  VmOptions options;
  options.seal_ram = false;
  options.regions.push_back({uint64_t{8} << 30, size_t{16} << 20});
  std::swap(options.regions[1], options.regions[2]);  // RAM for drivers stays the last
  std::swap(options.regions[1].guest_addr, options.regions[2].guest_addr);
  Boot(options);
  const GuestSpan spans[] = {{options.regions[1].guest_addr, 64 * 64 * 4}};
  ASSERT_EQ(gpu().TypeOf(ResourceCreate2d(3, 64, 64, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM)),
            VIRTIO_GPU_RESP_OK_NODATA);
  ASSERT_EQ(gpu().AttachBacking(3, spans), VIRTIO_GPU_RESP_OK_NODATA);
  if (::ftruncate(vm().ram().regions()[1].fd.get(), 0) != 0) {
    GTEST_SKIP() << "the backend sealed the memory, which is one right answer";
  }
  EXPECT_NE(gpu().TypeOf(TransferToHost2d(3, {0, 0, 64, 64}, 0)), 0U);
  ExpectAlive();
}

TEST_F(Lifecycle, RequestsThatChangeWhileTheyAreReadAreSurvived) {
  Boot();
  CreateResource(1, kWidth, kHeight);
  const uint64_t request = vm().ram().Allocate(4096, 4096);
  const uint64_t response = vm().ram().Allocate(4096, 4096);
  const std::span<std::byte> bytes = vm().ram().At(request, 96);
  std::atomic<bool> stop{false};
  std::thread scribbler([&] {
    uint32_t random = 1;
    while (!stop) {
      random = random * 1664525U + 1013904223U;
      reinterpret_cast<volatile uint8_t&>(bytes[random >> 8 & 0x3f]) =
          static_cast<uint8_t>(random >> 24);
    }
  });
  const Buffer buffers[] = {{request, 96, false}, {response, 4096, true}};
  for (int i = 0; i < 20'000; ++i) {
    const uint32_t type =
        i % 2 == 0 ? VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D : VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING;
    std::memcpy(bytes.data(), &type, sizeof(type));
    ASSERT_TRUE(gpu().queue().Add(buffers).has_value());
    gpu().queue().Publish();
    ASSERT_TRUE(gpu().queue().WaitUsed(GpuDriver::kTimeout));
    gpu().queue().Take();
  }
  stop = true;
  scribbler.join();
  ExpectAlive();
}

TEST_F(Lifecycle, DescriptorsThatChangeWhileTheyAreReadCrashNobody) {
  Boot();
  const uint64_t request = vm().ram().Allocate(4096, 4096);
  std::atomic<bool> stop{false};
  std::thread scribbler([&] {
    uint32_t random = 1;
    while (!stop) {
      random = random * 1664525U + 1013904223U;
      volatile virtq_desc& desc = gpu().queue().descriptor(static_cast<uint16_t>(random >> 20 & 7));
      desc.addr = random % 3 == 0 ? ~uint64_t{0} - random : request;
      desc.len = random % 5 == 0 ? random : 64;
      desc.flags = static_cast<uint16_t>(random >> 10 & 7);
      desc.next = static_cast<uint16_t>(random >> 13 & 15);
    }
  });
  for (int i = 0; i < 200; ++i) {
    for (uint16_t head = 0; head < 8; ++head) gpu().queue().PublishHead(head);
    gpu().queue().WaitUsed(std::chrono::milliseconds(1));
    while (gpu().queue().Take()) continue;
    ASSERT_TRUE(vm().Reset().ok());
  }
  stop = true;
  scribbler.join();
  ASSERT_TRUE(vm().Reset().ok());
  ExpectAlive();
}

TEST_F(Lifecycle, AFrontendThatVanishesWhileDrawingLeavesNothingBehind) {
  Boot();
  CreateResource(1, 1920, 1080);
  EXPECT_EQ(gpu().TypeOf(SetScanout(0, 1, {0, 0, 1920, 1080})), VIRTIO_GPU_RESP_OK_NODATA);
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(gpu().Post(TransferToHost2d(1, {0, 0, 1920, 1080}, 0)).has_value());
    ASSERT_TRUE(gpu().Post(ResourceFlush(1, {0, 0, 1920, 1080})).has_value());
  }
  gpu().Publish();
  const std::vector<pid_t> tree = ProcessTree(vm().backend().pid());
  channel().Close();
  vm().frontend().TakeDisplay().reset();
  const std::optional<ChildEnd> end = vm().backend().WaitEnd(std::chrono::seconds(20));
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->kind, ChildEnd::Kind::kExited);
  for (const pid_t pid : tree) EXPECT_NE(::kill(pid, 0), 0) << pid << " still runs";
}

}  // namespace
}  // namespace rendercar::frontend
