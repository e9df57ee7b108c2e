// A hostile driver, frontend and renderer at once: any sequence of commands, replies, resets and
// deaths. Every request is answered exactly once.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "backend/gpu/device_fixture.h"
#include "backend/gpu/fake_renderer.h"
#include "tests/fuzz_input.h"

namespace rendercar::gpu {
namespace {

constexpr std::array<uint32_t, 27> kCommands = {0x100, 0x101, 0x102, 0x103, 0x104, 0x105, 0x106,
                                                0x107, 0x108, 0x109, 0x10a, 0x10b, 0x10c, 0x10d,
                                                0x200, 0x201, 0x202, 0x203, 0x204, 0x205, 0x206,
                                                0x207, 0x208, 0x209, 0x300, 0x301, 0x4711};

GpuDevice::Options Options3d() {
  GpuDevice::Options options;
  options.capabilities.capsets = {{1, 1, std::vector<std::byte>(64)}};
  options.limits.resource_bytes = 8 << 20;
  options.limits.resources = 6;
  options.limits.contexts = 3;
  options.limits.requests_in_flight = 32;
  return options;
}

class Session {
 public:
  explicit Session(FuzzInput input) : input_(input) {}

  void Run() {
    for (int steps = 0; !input_.empty() && steps < 300; ++steps) Step();
    device_.device_->Quiesce();
    RC_CHECK(device_.port_.answers.size() == requests_, "a request without an answer");
  }

 private:
  void Step() {
    const uint8_t what = input_.Byte();
    if (what < 0xc0) return Command(kCommands[what % kCommands.size()]);
    switch (what % 14) {
      case 0:
        return device_.device_->EndBatch();
      case 1:
        return device_.device_->Quiesce();
      case 2:
        return device_.device_->Reset();
      case 3:
        if (!renderer_.in_flight.empty())
          renderer_.CompleteAt(input_.Byte() % renderer_.in_flight.size(),
                               static_cast<RenderResult>(input_.Byte() % 3));
        return;
      case 4:
        if (renderer_.running()) renderer_.Die({RendererDeath::Kind::kExited, 0, "", what % 4u});
        return;
      case 5:
        return renderer_.MakeRoom(input_.Byte() % 8 - 1);
      case 6:
        peer_ = std::make_unique<DisplayPeer>(device_.Connect());
        return;
      case 7: {
        const auto reply = input_.Bytes(input_.Byte());
        peer_->SendRaw(reply.data(), reply.size());
        return device_.PeerSent();
      }
      case 8:
        return Reply();
      case 9:
        peer_->Read(size_t{input_.Byte()} << 12);
        device_.PeerMadeRoom();
        return;
      case 10:
        return device_.device_->SetMemory(
            std::array{decltype(part_)(), part_, device_.memory_}[input_.Byte() % 3]);
      case 11:
        return device_.loop_.Advance(std::chrono::seconds(input_.Byte()));
      case 12:
        renderer_.start_status =
            input_.Byte() % 2 == 0 ? absl::OkStatus() : absl::UnavailableError("fuzz");
        return;
      case 13:
        return device_.loop_.RunPosted();
    }
  }

  void Reply() {
    const wire::VhostUserGpuHeader header{input_.Byte() % 13u, wire::VHOST_USER_GPU_MSG_FLAG_REPLY,
                                          0};
    auto reply = DeviceFixture::Bytes(header);
    const auto size = static_cast<uint32_t>(wire::ReplyPayloadBytes(header.request));
    std::memcpy(reply.data() + offsetof(wire::VhostUserGpuHeader, size), &size, 4);
    reply.resize(sizeof(header) + size, static_cast<std::byte>(input_.Byte()));
    peer_->SendRaw(reply.data(), reply.size());
    device_.PeerSent();
  }

  // A command whose words are made small, so that ids meet and sizes are possible.
  void Command(uint32_t type) {
    if (!device_.device_->accepting()) {
      renderer_.MakeRoom();
      if (!device_.device_->accepting()) device_.device_->Quiesce();
    }
    const uint8_t how = input_.Byte();
    const size_t size = how & 0x80 ? input_.Byte() : 96;
    std::vector<std::byte> bytes = input_.Bytes(std::max<size_t>(size, 4));
    constexpr std::array<uint32_t, 4> kMasks = {0x7, 0x7f, 0xff, 0xffffffff};
    for (size_t at = 4; at + 4 <= bytes.size(); at += 4) {
      uint32_t word;
      std::memcpy(&word, &bytes[at], 4);
      word &= kMasks[how & 3];
      std::memcpy(&bytes[at], &word, 4);
    }
    std::memcpy(bytes.data(), &type, 4);
    std::vector<std::vector<std::byte>> parts = {std::move(bytes)};
    if ((how & 4) != 0) parts.push_back(Entries());
    const bool cursor = type >= 0x300 && type < 0x400;
    device_.Start(std::move(parts), input_.Byte() * size_t{8},
                  cursor ? Queue::kCursor : Queue::kControl);
    ++requests_;
  }

  std::vector<std::byte> Entries() {
    std::vector<std::byte> bytes;
    for (int count = input_.Byte() % 8; count > 0; --count) {
      const virtio_gpu_mem_entry entry{kGuestBase + input_.Byte() * 4093u, input_.Byte() * 257u, 0};
      const auto one = DeviceFixture::Bytes(entry);
      bytes.insert(bytes.end(), one.begin(), one.end());
    }
    return bytes;
  }

  FuzzInput input_;
  FakeRenderer renderer_;
  // One memory for all runs: what it holds decides nothing.
  static inline const auto memory_ = MakeGuestMemory(1 << 20);
  static inline const auto part_ = MakeGuestMemory(1 << 18);
  DeviceFixture device_{Options3d(), &renderer_, memory_};
  std::unique_ptr<DisplayPeer> peer_ = std::make_unique<DisplayPeer>(device_.Connect());
  size_t requests_ = 0;
};

}  // namespace
}  // namespace rendercar::gpu

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rendercar::QuietLogs();
  rendercar::gpu::Session(rendercar::FuzzInput({data, size})).Run();
  return 0;
}
