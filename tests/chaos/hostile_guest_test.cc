// A hostile driver: millions of mutated commands, and a guest that takes all that it may.
// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <random>

#include "tests/chaos/chaos.h"

namespace rendercar::frontend {
namespace {

class HostileGuest : public Chaos {
 protected:
  // A valid command of a random kind, about few objects, so that commands meet.
  std::vector<std::byte> Command() {
    const auto small = [this] { return static_cast<uint32_t>(random_() % 5); };
    const Rect rect{small() * 16, small() * 16, small() * 16, small() * 16};
    switch (random_() % 15) {
      case 0:
        return Bytes(ResourceCreate2d(small(), 16 * small(), 16 * small(), 1 + small()));
      case 1:
        return Bytes(ResourceUnref(small()));
      case 2:
        return Bytes(SetScanout(small(), small(), rect));
      case 3:
        return Bytes(ResourceFlush(small(), rect));
      case 4:
        return Bytes(TransferToHost2d(small(), rect, small() * 64));
      case 5:
        return WithEntries(small(), small());
      case 6:
        return Bytes(ResourceDetachBacking(small()));
      case 7:
        return Bytes(GetCapset(small(), small()));
      case 8:
        return Bytes(GetEdid(small()));
      case 9:
        return Bytes(CtxCreate(small(), "mutant"));
      case 10:
        return Bytes(CtxDestroy(small()));
      case 11:
        return Bytes(CtxAttachResource(small(), small()));
      case 12:
        return Bytes(CtxDetachResource(small(), small()));
      case 13:
        return Bytes(ResourceCreate3d(small(), 16 * small(), 16 * small(), 1 + small()));
      default:
        return Bytes(Transfer3d(random_() % 2 == 0 ? VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D
                                                   : VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D,
                                small(), small(), rect, 64 * small()));
    }
  }
  template <typename Wire>
  static std::vector<std::byte> Bytes(const Wire& wire) {
    const auto bytes = std::as_bytes(std::span(&wire, 1));
    return {bytes.begin(), bytes.end()};
  }
  std::vector<std::byte> WithEntries(uint32_t id, uint32_t count) {
    std::vector<std::byte> bytes = Bytes(ResourceAttachBacking(id, count));
    const auto entries = GpuDriver::Entries(std::span(backing_).first(std::min<size_t>(count, 4)));
    bytes.insert(bytes.end(), entries.begin(), entries.end());
    return bytes;
  }
  // Some bytes are others, or missing.
  std::vector<std::byte> Mutated(std::vector<std::byte> bytes) {
    for (uint64_t changes = random_() % 4; changes > 0; --changes)
      bytes[random_() % bytes.size()] = static_cast<std::byte>(random_());
    if (random_() % 16 == 0) bytes.resize(1 + random_() % bytes.size());
    return bytes;
  }

  std::mt19937_64 random_{Count("RENDERCAR_CHAOS_SEED", 1)};
};

TEST_F(HostileGuest, mutated_commands_are_all_answered) {
  BootWith({"--max-video-memory=64M", "--max-resources=64"});
  if (IsSkipped()) return;
  AllocateBacking();
  const uint64_t commands = Count("RENDERCAR_CHAOS_MUTATIONS", 30'000);
  const auto begin = std::chrono::steady_clock::now();
  uint64_t posted = 0, answered = 0;
  while (answered < commands) {
    while (posted < commands && gpu().PostBytes(Mutated(Command()))) ++posted;
    gpu().Publish();
    ASSERT_TRUE(gpu().WaitSlot().has_value()) << "after " << answered << " answers";
    ++answered;
    while (gpu().PollSlot()) ++answered;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  ExpectAlive();
  const StatsSnapshot stats = Stats();
  std::printf(
      "CHAOS mutated commands: %llu in %.1f s, all answered; %llu errors, renderer deaths %llu\n",
      static_cast<unsigned long long>(answered), took.count(),
      static_cast<unsigned long long>(CountedErrors()),
      static_cast<unsigned long long>(stats[StatsValue::kRendererDeaths]));
}

// docs/security-model.md, "Memory of the device process".
uint64_t MemoryBound(uint64_t video_bytes, uint64_t entries, uint64_t resources,
                     uint64_t attachments) {
  const uint64_t fixed = uint64_t{32} << 20;
  return 3 * video_bytes + 96 * entries + 6144 * resources + 16 * attachments + fixed;
}

TEST_F(HostileGuest, memory_of_the_device_process_stays_below_its_formula) {
  constexpr uint64_t kVideo = uint64_t{64} << 20, kEntries = 200'000, kResources = 2'000;
  BootWith({"--max-video-memory=" + std::to_string(kVideo),
            "--max-all-backing-entries=" + std::to_string(kEntries),
            "--max-resources=" + std::to_string(kResources), "--max-attachments=10000"});
  if (IsSkipped()) return;
  const pid_t pid = vm().backend().pid();
  // Every resource that there may be, and every entry: pages that lie apart, so that none merges.
  const std::vector<GuestSpan> page = vm().ram().AllocateScattered(4096);
  std::vector<GuestSpan> scattered;
  for (int i = 0; i < 128; ++i) scattered.push_back({page[0].addr, 256});
  uint32_t made = 0, refused = 0, attached = 0;
  const uint32_t side = 88;  // 2000 of them fill 64 MiB nearly
  for (uint32_t id = 1; id <= kResources + 10; ++id) {
    const uint32_t type = gpu().TypeOf(ResourceCreate2d(id, side, side, 1));
    (type == kDone ? made : refused) += 1;
    if (type != kDone) continue;
    attached += gpu().AttachBacking(id, scattered) == kDone ? 1 : 0;
    gpu().TypeOf(TransferToHost2d(id, {0, 0, side, side}, 0));
  }
  EXPECT_EQ(made, kResources);
  EXPECT_GT(refused, 0u);
  EXPECT_EQ(attached, kEntries / scattered.size());
  // Pictures of every head.
  for (uint32_t id = 0; id < 16; ++id) gpu().TypeOf(SetScanout(id, id + 1, {0, 0, side, side}));
  for (uint32_t id = 1; id <= 16; ++id) gpu().TypeOf(CtxCreate(id, "memory"));
  for (uint32_t id = 1; id <= 1000; ++id) gpu().TypeOf(CtxAttachResource(1 + id % 16, id));
  const ProcessUsage usage = UsageOf(pid);
  const uint64_t bound = MemoryBound(kVideo, kEntries, kResources, 10'000);
  std::printf("CHAOS device process at its limits: %.1f MiB private, formula %.1f MiB\n",
              static_cast<double>(usage.rss_bytes) / 1048576, static_cast<double>(bound) / 1048576);
  EXPECT_LE(usage.rss_bytes, bound);
  EXPECT_GE(Counted(StatsError::kOutOfMemory), 10u);
  ExpectAlive();
}

}  // namespace
}  // namespace rendercar::frontend
