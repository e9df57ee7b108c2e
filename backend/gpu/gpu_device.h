// The virtio-gpu device: takes requests from the queues, answers them, drives renderer and display.
// One thread: the work thread.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "backend/gpu/device_state.h"
#include "backend/gpu/renderer.h"
#include "backend/guest/guest_memory.h"
#include "backend/guest/virtqueue.h"
#include "common/event_loop.h"
#include "common/screenshot_wire.h"
#include "common/stats_page.h"
#include "common/unique_fd.h"

namespace rendercar::gpu {

enum class Queue : uint32_t { kControl = 0, kCursor = 1 };

// Where answers go; implemented by the server.
class QueuePort {
 public:
  virtual ~QueuePort() = default;
  // The request `head` of `queue` is answered: `written_bytes` of its writable part are filled. At
  // any time on the work thread, also from inside Handle.
  virtual void Complete(Queue queue, uint16_t head, uint32_t written_bytes) = 0;
  // accepting() has become true again.
  virtual void OnAccepting() = 0;
};

// What one guest may use; enforced before anything is allocated.
struct Limits {
  uint64_t resource_bytes = uint64_t{1} << 30;  // host memory of all resources, 2D and 3D
  uint32_t resources = 16384;
  uint32_t contexts = 256;
  uint32_t backing_entries = 1u << 18;      // of one resource
  uint32_t all_backing_entries = 1u << 20;  // of all resources together
  uint32_t attachments = 1u << 16;          // of resources to contexts
  uint32_t submit_bytes = 1u << 20;         // of one SUBMIT_3D
  uint32_t requests_in_flight = 1024;       // fences among them; more wait in the queue
  uint32_t renderer_time_percent = 100;     // of the time that the renderer may be busy
  uint64_t display_bytes_per_second = 0;    // 0: no limit
};

// What a head shows now; with kPicture its pixels in sealed memory, rows without gaps.
struct Screenshot {
  screenshot::Outcome outcome = screenshot::Outcome::kNothing;
  uint32_t width = 0;
  uint32_t height = 0;
  UniqueFd pixels;
};

class GpuDevice {
 public:
  struct Dependencies {
    EventLoop* loop = nullptr;
    QueuePort* port = nullptr;
    Renderer* renderer = nullptr;
    StatsWriter* stats = nullptr;
  };
  struct Options {
    Limits limits;
    RendererCapabilities capabilities;
    bool headless = false;  // every head is reported disabled and no picture is sent
    // 3D scanouts are shown from GPU memory where the renderer can hand it out: for frontends whose
    // display has OpenGL, since the others lose such pictures.
    bool dmabufs = false;
  };

  static std::unique_ptr<GpuDevice> Create(const Dependencies& dependencies, Options options);
  virtual ~GpuDevice() = default;

  // Device feature bits to offer (VIRTIO_GPU_F_*), without ring and transport features.
  virtual uint64_t features() const = 0;
  // For the config space: virtio_gpu_config.num_capsets. The frontend fills in the rest.
  virtual uint32_t num_capsets() const = 0;

  // SET_FEATURES: what the driver took.
  virtual void SetFeatures(uint64_t features) = 0;
  // SET_MEM_TABLE; the server quiesces before it. Backings are resolved anew; one that lies in lost
  // memory fails its transfers.
  virtual void SetMemory(std::shared_ptr<const guest::GuestMemory> memory) = 0;
  // GPU_SET_SOCKET: replaces the display socket; every scanout is announced and shown again.
  virtual void SetDisplaySocket(UniqueFd socket) = 0;

  // One request. The device answers through the port, now or later; the chain's memory table is
  // held until then. Call only while accepting().
  virtual void Handle(Queue queue, guest::DescriptorChain chain) = 0;
  // False while the renderer has no room or too much is in flight: leave requests in the queue
  // until OnAccepting.
  virtual bool accepting() const = 0;
  // After a batch of Handle calls: wakes the renderer, starts display work.
  virtual void EndBatch() = 0;

  // GET_VRING_BASE, SET_MEM_TABLE: every request in flight is answered before it returns (at most
  // about 100 ms; the renderer is killed then). What the guest made stays.
  virtual void Quiesce() = 0;
  // RESET_DEVICE or a driver reset: Quiesce, then everything the guest made is dropped.
  virtual void Reset() = 0;

  // For a successor process that goes on with this device. Between Freeze (which quiesces) and Thaw
  // nothing is handled and nothing sent; Save is for a frozen one.
  virtual void Freeze() = 0;
  virtual void Thaw() = 0;
  virtual SavedDevice Save(wire::LeftFds& fds) = 0;
  // In the successor, after SetMemory, frozen: becomes the device that `state` describes, as after
  // a renderer's death; Thaw makes a renderer if that is needed. InvalidArgument or
  // FailedPrecondition when this cannot be, in words: it is of no use then.
  virtual absl::Status Restore(DeviceState& state, wire::TakenFds& fds,
                               std::span<const std::byte> pixels) = 0;

  // Copies what `head` shows as the display gets it, without the cursor. Any number: from a client.
  virtual Screenshot TakeScreenshot(uint32_t head) = 0;
};

}  // namespace rendercar::gpu
