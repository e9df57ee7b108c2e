// The state that one device leaves for another, changed anywhere: refused, or a device that can be
// used.
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include "backend/gpu/device_fixture.h"
#include "backend/gpu/fake_renderer.h"
#include "tests/fuzz_input.h"

namespace rendercar::gpu {
namespace {

constexpr virtio_gpu_rect kAll{0, 0, 64, 32};

GpuDevice::Options Options3d() {
  GpuDevice::Options options;
  options.capabilities.capsets = {{1, 1, std::vector<std::byte>(64)}};
  options.limits.resource_bytes = 4 << 20;
  options.limits.resources = 16;
  return options;
}

struct Left {
  std::vector<std::byte> bytes, pixels;
};

// A guest with a picture on its screen, one in GL, and a context.
class Guest {
 public:
  Guest() {
    const DisplayPeer peer = device_.Connect();
    device_.Create2d(1, 64, 32);
    device_.Attach(1, 0, 64 * 32 * 4);
    device_.Transfer(1, kAll, 0);
    device_.SetScanout(0, 1, kAll);
    virtio_gpu_ctx_create context{};
    context.hdr.type = VIRTIO_GPU_CMD_CTX_CREATE;
    context.hdr.ctx_id = 1;
    device_.Do(context);
    virtio_gpu_resource_create_3d create{};
    create.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_3D;
    create.resource_id = 2;
    create.target = 2;
    create.format = VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM;
    create.width = create.height = 16;
    create.depth = create.array_size = 1;
    device_.Do(create);
    device_.SetScanout(1, 2, {0, 0, 16, 16});
  }
  Left Leave() {
    device_.device_->Freeze();
    wire::LeftFds fds;
    SavedDevice saved = device_.device_->Save(fds);
    Left left;
    left.pixels.resize(saved.state.pixel_bytes());
    CopyPictures(saved.state, saved.pictures, left.pixels);
    wire::StateEncoder codec;
    Encode(codec, saved.state);
    left.bytes = codec.Take();
    return left;
  }

 private:
  FakeRenderer renderer_;
  DeviceFixture device_{Options3d(), &renderer_, MakeGuestMemory(1 << 20)};
};

// The input says which bytes of a good state are other ones, or where it ends.
Left Changed(FuzzInput& input) {
  static const Left good = Guest().Leave();
  Left left = good;
  while (!input.empty()) {
    const size_t at = input.Word() % left.bytes.size();
    if (const uint8_t what = input.Byte(); what == 0xff) {
      left.bytes.resize(at + 1);
    } else {
      left.bytes[at] = std::byte{what};
    }
  }
  return left;
}

void GoOnWith(const Left& left) {
  static const auto memory = MakeGuestMemory(1 << 20);
  DeviceState state;
  wire::StateDecoder codec(left.bytes);
  Decode(codec, state);
  if (!codec.done()) return;
  FakeRenderer renderer;
  DeviceFixture device(Options3d(), &renderer, memory);
  auto pair = CreateSocketPair(SOCK_STREAM);
  RC_CHECK(pair.ok(), "no sockets for a test");
  ::fcntl(pair->a.get(), F_SETFL, O_NONBLOCK);
  std::vector<UniqueFd> fds;
  fds.push_back(std::move(pair->a));
  wire::TakenFds taken(std::move(fds));
  if (!device.device_->Restore(state, taken, left.pixels).ok()) return;
  device.device_->Thaw();
  device.loop_.Advance(std::chrono::milliseconds(20));
  for (const uint32_t id : {1u, 2u}) {
    device.Transfer(id, kAll, 0);
    device.Flush(id, kAll);
    device.device_->TakeScreenshot(id - 1);
  }
  device.Unref(1);
  device.device_->Reset();
}

}  // namespace
}  // namespace rendercar::gpu

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rendercar::QuietLogs();
  rendercar::FuzzInput input({data, size});
  rendercar::gpu::GoOnWith(rendercar::gpu::Changed(input));
  return 0;
}
