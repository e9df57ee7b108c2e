// A frontend that sends any sequence of well-formed vhost-user messages and a guest that writes
// anything into its memory meanwhile: rings that start, stop, break and move to other memory.
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>

#include "backend/server/device_worker.h"
#include "backend/server/fake_device.h"
#include "common/fake_loop.h"
#include "common/shared_memory.h"
#include "common/unix_socket.h"
#include "tests/fuzz_input.h"

namespace rendercar::server {
namespace {

constexpr uint64_t kGuestBase = 0x40000000;
constexpr uint64_t kUserBase = 0x7f0000000000;
constexpr size_t kRegionBytes = 16384;
constexpr size_t kRegions = 2;
constexpr size_t kRingStride = 4096;  // the rings of a valid set-up: two in the first region

// One for all runs; empty at the start of each.
struct GuestPages {
  std::array<UniqueFd, kRegions> fds;
  std::array<Mapping, kRegions> mappings;

  GuestPages() {
    for (size_t i = 0; i < kRegions; ++i) {
      fds[i] = *CreateSealedMemory("fuzz-guest", kRegionBytes);
      mappings[i] = *Mapping::Map(fds[i].get(), 0, kRegionBytes, Mapping::Access::kReadWrite);
    }
  }
  void Clear() {
    for (Mapping& mapping : mappings) std::ranges::fill(mapping.bytes(), std::byte{0});
  }
};

class Frontend {
 public:
  Frontend(FuzzInput input, GuestPages& guest) : input_(input), guest_(guest) { guest_.Clear(); }

  void Run() {
    for (int steps = 0; !input_.empty() && going_ && steps < 200; ++steps) Step();
    worker_.reset();
    loop_.Advance(std::chrono::seconds(10));
  }

 private:
  void Step() {
    switch (input_.Byte() % 18) {
      case 0:
        return Apply(wire::SetFeatures{input_.Byte() * (uint64_t{1} << 24)});
      case 1:
        return SendTable();
      case 2:
        return Apply(wire::SetVringNum{
            Ring(), input_.OneOf(std::array{0u, 1u, 2u, 8u, 64u, 3u, 32768u, 65536u, ~0u})});
      case 3:
        return SendAddresses();
      case 4:
        return Apply(wire::SetVringBase{Ring(), input_.Word()});
      case 5:
        return Apply(wire::GetVringBase{Ring()});
      case 6:
        return SendDescriptor();
      case 7:
        return Apply(wire::SetVringEnable{Ring(), input_.Byte() % 2 == 1});
      case 8:
        return SendDisplaySocket();
      case 9:
        return Apply(wire::ResetOwner{});
      case 10:
        return Apply(wire::ResetDevice{});
      case 11:
        return SetUp();
      case 12:
        return Write();
      case 13:
        return Offer();
      case 14:
        return (void)loop_.Fire(kicks_[input_.Byte() % kQueues], EPOLLIN);
      case 15:
        return loop_.Advance(std::chrono::milliseconds(input_.Byte() * 16));
      case 16:
        log_.hold = input_.Byte() % 2 == 1;
        return;
      case 17:
        log_.refuse = input_.Byte() % 2 == 1;
        if (!log_.refuse) worker_->OnAccepting();
        return;
    }
  }

  // A frontend that breaks the protocol is disconnected.
  void Apply(wire::VhostUserMessage message) { going_ = worker_->Apply(std::move(message)).ok(); }
  uint32_t Ring() { return input_.Byte() % 16 == 15 ? 7u : input_.Byte() % kQueues; }
  UniqueFd Pages() { return guest_.fds[input_.Byte() % kRegions].Duplicate(); }

  wire::SetMemTable::Region Region(uint64_t at, size_t of) {
    wire::SetMemTable::Region region;
    region.description = {kGuestBase + at, kRegionBytes, kUserBase + at, 0};
    region.fd = guest_.fds[of].Duplicate();
    return region;
  }
  void SendTable() {
    wire::SetMemTable table;
    for (uint32_t count = input_.Byte() % 4; count > 0; --count) {
      const uint64_t at = input_.OneOf(std::array<uint64_t, 3>{0, kRegionBytes, kRegionBytes * 2});
      auto region = Region(at, input_.Byte() % kRegions);
      const uint8_t how = input_.Byte();
      if ((how & 1) != 0) region.description.memory_size = input_.Word();
      if ((how & 2) != 0) region.description.mmap_offset = input_.Word() & 0xfff8u;
      if ((how & 4) != 0) region.description.guest_phys_addr = ~uint64_t{0} - input_.Word();
      if ((how & 8) != 0) region.description.userspace_addr += input_.Byte();
      if ((how & 0xf0) == 0xf0) region.fd = UniqueFd(::eventfd(0, EFD_CLOEXEC));
      table.regions.push_back(std::move(region));
    }
    Apply(std::move(table));
  }
  void SendAddresses() {
    wire::SetVringAddr message;
    message.addr.index = Ring();
    message.addr.desc_user_addr = kUserBase + input_.Word();
    message.addr.avail_user_addr = kUserBase + input_.Word();
    message.addr.used_user_addr = kUserBase + input_.Word();
    Apply(message);
  }
  UniqueFd Descriptor() {
    std::array<int, 2> ends{};
    switch (input_.Byte() % 8) {
      case 0:
        return UniqueFd();
      case 1:
        return Pages();
      case 2:
        RC_CHECK(::pipe2(ends.data(), O_CLOEXEC) == 0, "no pipe for a fuzzer");
        pipe_end_ = UniqueFd(ends[1]);
        return UniqueFd(ends[0]);
      default:
        return UniqueFd(::eventfd(0, EFD_CLOEXEC));
    }
  }
  void SendDescriptor() {
    wire::SetVringFd message;
    message.kind = static_cast<wire::SetVringFd::Kind>(input_.Byte() % 3);
    message.index = Ring();
    message.fd = Descriptor();
    if (message.kind == wire::SetVringFd::Kind::kKick && message.index < kQueues)
      kicks_[message.index] = message.fd.get();
    Apply(std::move(message));
  }
  void SendDisplaySocket() {
    auto pair = CreateSocketPair(SOCK_STREAM);
    RC_CHECK(pair.ok(), "no sockets for a fuzzer");
    Apply(wire::GpuSetSocket{input_.Byte() % 8 == 0 ? Pages() : std::move(pair->a)});
  }

  // Everything that makes both rings run, as QEMU does it.
  void SetUp() {
    Apply(wire::SetFeatures{uint64_t{input_.Byte()} << 24 | uint64_t{1} << 30});
    wire::SetMemTable table;
    for (size_t i = 0; i < kRegions; ++i) table.regions.push_back(Region(i * kRegionBytes, i));
    if (going_) Apply(std::move(table));
    const uint32_t size = input_.OneOf(std::array{1u, 2u, 8u, 64u});
    for (uint32_t ring = 0; ring < kQueues && going_; ++ring) SetUpRing(ring, size);
  }
  void SetUpRing(uint32_t ring, uint32_t size) {
    wire::SetVringAddr addresses;
    const uint64_t at = kUserBase + ring * kRingStride;
    addresses.addr.index = ring;
    addresses.addr.desc_user_addr = at;
    addresses.addr.avail_user_addr = at + 1024;
    addresses.addr.used_user_addr = at + 2048;
    wire::SetVringFd kick;
    kick.kind = wire::SetVringFd::Kind::kKick;
    kick.index = ring;
    kick.fd = UniqueFd(::eventfd(0, EFD_CLOEXEC));
    kicks_[ring] = kick.fd.get();
    Apply(wire::SetVringNum{ring, size});
    if (going_) Apply(addresses);
    if (going_) Apply(wire::SetVringEnable{ring, true});
    if (going_) Apply(std::move(kick));
  }

  void Write() {
    const std::span<std::byte> bytes = guest_.mappings[input_.Byte() % kRegions].bytes();
    const size_t at = input_.Word() % (kRegionBytes - 16);
    for (size_t i = 0; i < 16; ++i) bytes[at + i] = static_cast<std::byte>(input_.Byte());
  }
  // One more request in a ring of the valid set-up: a descriptor of the input's and its index.
  void Offer() {
    const size_t ring = input_.Byte() % kQueues * kRingStride;
    std::byte* const base = guest_.mappings[0].bytes().data() + ring;
    const uint16_t head = input_.Byte() % 64;
    const uint64_t addr = kGuestBase + input_.Word();
    const uint32_t size = input_.Byte();
    const uint16_t flags = input_.Byte() % 8, next = input_.Byte() % 64;
    std::memcpy(base + head * 16, &addr, 8);
    std::memcpy(base + head * 16 + 8, &size, 4);
    std::memcpy(base + head * 16 + 12, &flags, 2);
    std::memcpy(base + head * 16 + 14, &next, 2);
    uint16_t index = 0;
    std::memcpy(&index, base + 1024 + 2, 2);
    const size_t slot = index % input_.OneOf(std::array<size_t, 4>{1, 2, 8, 64});
    std::memcpy(base + 1024 + 4 + 2 * slot, &head, 2);
    ++index;
    std::memcpy(base + 1024 + 2, &index, 2);
  }

  FuzzInput input_;
  GuestPages& guest_;
  FakeLoop loop_;
  StatsWriter stats_;
  FakeDeviceLog log_;
  std::unique_ptr<DeviceWorker> worker_ =
      std::make_unique<DeviceWorker>(loop_, stats_, FakeDeviceFactory(log_));
  std::array<int, kQueues> kicks_{-1, -1};
  UniqueFd pipe_end_;
  bool going_ = true;
};

}  // namespace
}  // namespace rendercar::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rendercar::server;
  rendercar::QuietLogs();
  static GuestPages guest;
  Frontend(rendercar::FuzzInput({data, size}), guest).Run();
  return 0;
}
