// A device with guest memory, a port that remembers answers, and the other end of its display
// socket: for tests and fuzzers.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cstring>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "backend/gpu/gpu_device.h"
#include "backend/gpu/null_renderer.h"
#include "backend/wire/vhost_user_gpu.h"
#include "backend/wire/virtio_gpu.h"
#include "common/fake_loop.h"
#include "common/shared_memory.h"
#include "common/unix_socket.h"

namespace rendercar::gpu {

inline constexpr uint64_t kGuestBase = 0x40000000;
inline constexpr size_t kGuestBytes = size_t{48} << 20;

// Guest memory in one region at kGuestBase.
inline std::shared_ptr<const guest::GuestMemory> MakeGuestMemory(size_t size = kGuestBytes) {
  auto fd = CreateSealedMemory("test-guest", size);
  RC_CHECK(fd.ok(), "no memory for a test");
  std::vector<guest::RegionDescription> regions(1);
  regions[0].guest_addr = kGuestBase;
  regions[0].size_bytes = size;
  regions[0].user_addr = 0x7f0000000000;
  regions[0].fd = *std::move(fd);
  auto memory = guest::GuestMemory::Map(std::move(regions), nullptr);
  RC_CHECK(memory.ok(), "no guest memory for a test");
  return *memory;
}

class FakePort final : public QueuePort {
 public:
  struct Answer {
    uint32_t written_bytes = 0;
    size_t order = 0;  // of all answers
  };
  void Complete(Queue, uint16_t head, uint32_t written_bytes) override {
    RC_CHECK(answers.count(head) == 0, "a request that is answered twice");
    answers[head] = {written_bytes, answers.size()};
  }
  void OnAccepting() override { ++accepting_again; }
  std::map<uint16_t, Answer> answers;
  int accepting_again = 0;
};

// One message as the display peer received it.
struct DisplayMessage {
  uint32_t request = 0;
  std::vector<std::byte> payload;

  template <typename T>
  T As() const {
    T value{};
    std::memcpy(&value, payload.data(), std::min(sizeof(T), payload.size()));
    return value;
  }
};

// The frontend's end of a display socket; reads when told.
class DisplayPeer {
 public:
  explicit DisplayPeer(UniqueFd socket) : socket_(std::move(socket)) {}

  // Descriptors that came with what was read.
  std::vector<UniqueFd> fds;

  // What has arrived; a message that is not whole yet stays for the next call.
  std::vector<DisplayMessage> Read(size_t at_most_bytes = SIZE_MAX) {
    std::byte chunk[4096];
    while (at_most_bytes > 0) {
      auto received = ReceiveWithFds(socket_.get(),
                                     std::span(chunk).first(std::min(sizeof(chunk), at_most_bytes)),
                                     1, MSG_DONTWAIT);
      if (!received.ok() || received->size == 0) break;
      const auto got = static_cast<ptrdiff_t>(received->size);
      for (UniqueFd& fd : received->fds) fds.push_back(std::move(fd));
      bytes_.insert(bytes_.end(), chunk, chunk + got);
      at_most_bytes -= static_cast<size_t>(got);
      total_bytes += static_cast<size_t>(got);
    }
    std::vector<DisplayMessage> messages;
    size_t at = 0;
    while (bytes_.size() - at >= sizeof(wire::VhostUserGpuHeader)) {
      wire::VhostUserGpuHeader header;
      std::memcpy(&header, bytes_.data() + at, sizeof(header));
      if (bytes_.size() - at - sizeof(header) < header.size) break;
      const auto* payload = bytes_.data() + at + sizeof(header);
      messages.push_back({header.request, {payload, payload + header.size}});
      at += sizeof(header) + header.size;
    }
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<ptrdiff_t>(at));
    return messages;
  }
  void SendRaw(const void* data, size_t size) { ::send(socket_.get(), data, size, MSG_NOSIGNAL); }
  template <typename T>
  void Reply(uint32_t request, const T& payload) {
    const wire::VhostUserGpuHeader header{request, wire::VHOST_USER_GPU_MSG_FLAG_REPLY,
                                          sizeof(payload)};
    SendRaw(&header, sizeof(header));
    SendRaw(&payload, sizeof(payload));
  }
  void Acknowledge(uint32_t request) {
    const wire::VhostUserGpuHeader header{request, wire::VHOST_USER_GPU_MSG_FLAG_REPLY, 0};
    SendRaw(&header, sizeof(header));
  }
  void Close() { socket_.Reset(); }
  size_t total_bytes = 0;  // read so far

 private:
  UniqueFd socket_;
  std::vector<std::byte> bytes_;
};

class DeviceFixture {
 public:
  explicit DeviceFixture(GpuDevice::Options options = {}, Renderer* renderer = nullptr,
                         std::shared_ptr<const guest::GuestMemory> memory = MakeGuestMemory())
      : memory_(std::move(memory)),
        device_(GpuDevice::Create(
            {&loop_, &port_, renderer != nullptr ? renderer : &null_renderer_, &stats_},
            std::move(options))) {
    device_->SetFeatures(device_->features());
    device_->SetMemory(memory_);
  }

  // Connects a display; its first question (protocol features) is left to the test.
  DisplayPeer Connect(int send_buffer_bytes = 0) {
    auto pair = CreateSocketPair(SOCK_STREAM);
    RC_CHECK(pair.ok(), "no sockets for a test");
    display_fd_ = pair->a.get();
    device_->SetDisplaySocket(std::move(pair->a));
    // Behind the device's back: it believes that there is more room, and writes halves.
    if (send_buffer_bytes > 0) {
      ::setsockopt(display_fd_, SOL_SOCKET, SO_SNDBUF, &send_buffer_bytes,
                   sizeof(send_buffer_bytes));
    }
    return DisplayPeer(std::move(pair->b));
  }
  // What the loop would do when the peer sent something, or made room.
  void PeerSent() { loop_.Fire(display_fd_, EPOLLIN); }
  bool PeerMadeRoom() { return loop_.Fire(display_fd_, EPOLLOUT); }

  // Hands in a request of these parts and returns its number.
  uint16_t Start(std::vector<std::vector<std::byte>> parts, size_t response_bytes = 2048,
                 Queue queue = Queue::kControl) {
    const uint16_t head = next_head_++;
    Memory& request = requests_[head];
    request.parts = std::move(parts);
    request.response.assign(response_bytes, std::byte{0xee});
    guest::DescriptorChain chain;
    chain.head = head;
    for (const auto& part : request.parts) {
      chain.readable.push_back(part);
      chain.readable_bytes += part.size();
    }
    chain.writable.push_back(request.response);
    chain.writable_bytes = response_bytes;
    device_->Handle(queue, std::move(chain));
    return head;
  }
  bool Answered(uint16_t head) const { return port_.answers.count(head) != 0; }
  template <typename T = virtio_gpu_ctrl_hdr>
  T Response(uint16_t head) {
    T response{};
    if (!Answered(head)) return response;
    const size_t size = std::min<size_t>(sizeof(T), port_.answers[head].written_bytes);
    std::memcpy(&response, requests_[head].response.data(), size);
    return response;
  }
  template <typename Wire>
  static std::vector<std::byte> Bytes(const Wire& wire) {
    const auto bytes = std::as_bytes(std::span(&wire, 1));
    return {bytes.begin(), bytes.end()};
  }
  template <typename Wire>
  uint16_t Start(const Wire& wire, Queue queue = Queue::kControl) {
    return Start({Bytes(wire)}, 2048, queue);
  }
  // Lets the display's next frame begin.
  void NextFrame() { loop_.Advance(std::chrono::milliseconds(10)); }
  // The type of the answer; 0 when there is none yet.
  template <typename Wire>
  uint32_t Do(const Wire& wire, Queue queue = Queue::kControl) {
    const uint16_t head = Start(wire, queue);
    if (frames_pass_) NextFrame();
    device_->EndBatch();
    return Response(head).type;
  }

  // Commands that most tests need.
  uint32_t Create2d(uint32_t id, uint32_t width, uint32_t height,
                    uint32_t format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM) {
    virtio_gpu_resource_create_2d wire{};
    wire.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D;
    wire.resource_id = id;
    wire.width = width;
    wire.height = height;
    wire.format = format;
    return Do(wire);
  }
  uint32_t Attach(uint32_t id, const std::vector<virtio_gpu_mem_entry>& entries) {
    virtio_gpu_resource_attach_backing wire{};
    wire.hdr.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING;
    wire.resource_id = id;
    wire.nr_entries = static_cast<uint32_t>(entries.size());
    const auto bytes = std::as_bytes(std::span(entries));
    const uint16_t head = Start({Bytes(wire), {bytes.begin(), bytes.end()}});
    return Response(head).type;
  }
  uint32_t Attach(uint32_t id, uint64_t offset, uint32_t size) {
    return Attach(id, {{kGuestBase + offset, size, 0}});
  }
  uint32_t Detach(uint32_t id) {
    virtio_gpu_resource_detach_backing wire{};
    wire.hdr.type = VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING;
    wire.resource_id = id;
    return Do(wire);
  }
  uint32_t Unref(uint32_t id) {
    virtio_gpu_resource_unref wire{};
    wire.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNREF;
    wire.resource_id = id;
    return Do(wire);
  }
  uint32_t Transfer(uint32_t id, virtio_gpu_rect rect, uint64_t offset) {
    virtio_gpu_transfer_to_host_2d wire{};
    wire.hdr.type = VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D;
    wire.resource_id = id;
    wire.r = rect;
    wire.offset = offset;
    return Do(wire);
  }
  uint32_t SetScanout(uint32_t scanout, uint32_t id, virtio_gpu_rect rect) {
    virtio_gpu_set_scanout wire{};
    wire.hdr.type = VIRTIO_GPU_CMD_SET_SCANOUT;
    wire.scanout_id = scanout;
    wire.resource_id = id;
    wire.r = rect;
    return Do(wire);
  }
  uint32_t Flush(uint32_t id, virtio_gpu_rect rect) {
    virtio_gpu_resource_flush wire{};
    wire.hdr.type = VIRTIO_GPU_CMD_RESOURCE_FLUSH;
    wire.resource_id = id;
    wire.r = rect;
    return Do(wire);
  }

  // Guest memory at an offset from its base.
  std::byte* guest(uint64_t offset) { return memory_->regions()[0].bytes().data() + offset; }

  FakeLoop loop_;
  FakePort port_;
  StatsWriter stats_;
  NullRenderer null_renderer_;
  std::shared_ptr<const guest::GuestMemory> memory_;
  int display_fd_ = -1;
  bool frames_pass_ = true;  // before each command, so that its picture goes out at once
  std::unique_ptr<GpuDevice> device_;

 private:
  struct Memory {
    std::vector<std::vector<std::byte>> parts;
    std::vector<std::byte> response;
  };
  std::map<uint16_t, Memory> requests_;
  uint16_t next_head_ = 0;
};

}  // namespace rendercar::gpu
