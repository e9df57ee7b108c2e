// A guest that draws for ever, for tests of metrics: connects to a running session's socket, and
// shows 2D pictures and clears 3D textures until it is ended or the backend goes. Survives
// renderers that die.
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "common/program.h"
#include "common/unix_socket.h"
#include "tests/frontend/gpu_commands.h"
#include "tests/frontend/gpu_driver.h"
#include "tests/frontend/vhost_frontend.h"
#include "tests/frontend/virgl_encoder.h"

namespace {

using namespace rendercar::frontend;

constexpr Rect kScreen{0, 0, 128, 96};
constexpr uint32_t kPicture = 1, kTexture = 2, kSurface = 1;

struct Flags {
  std::string socket;
  uint32_t pause_ms = 20;
  bool errors = false;
};

// One guest: its memory, the device's frontend, the driver of the control queue.
class Guest {
 public:
  static absl::StatusOr<std::unique_ptr<Guest>> Boot(const std::string& socket) {
    RC_ASSIGN_OR_RETURN(rendercar::UniqueFd fd, rendercar::ConnectUnix(socket));
    RC_ASSIGN_OR_RETURN(GuestRam ram, GuestRam::Create(GuestRam::DefaultRegions()));
    auto guest = std::make_unique<Guest>(std::move(ram));
    FrontendOptions options;
    options.virgl = true;
    RC_ASSIGN_OR_RETURN(VhostFrontend frontend,
                        VhostFrontend::Create(std::move(fd), &guest->ram_, options));
    guest->frontend_ = std::make_unique<VhostFrontend>(std::move(frontend));
    RC_RETURN_IF_ERROR(guest->frontend_->Realize());
    RC_RETURN_IF_ERROR(guest->frontend_->Start());
    SplitQueue& queue = guest->frontend_->queue(kControlQueue);
    guest->gpu_ = std::make_unique<GpuDriver>(&guest->ram_, &queue, queue.options().size);
    return guest;
  }
  explicit Guest(GuestRam ram) : ram_(std::move(ram)) {}

  absl::Status SetUpScreen() {
    backing_ = ram_.AllocateScattered(kScreen.width * kScreen.height * 4);
    RC_RETURN_IF_ERROR(Answered(gpu_->Call(ResourceCreate2d(kPicture, kScreen.width, kScreen.height,
                                                            VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM))));
    if (gpu_->AttachBacking(kPicture, backing_) == 0)
      return absl::UnavailableError("the device does not answer");
    return Answered(gpu_->Call(SetScanout(0, kPicture, kScreen)));
  }
  // Another colour each time: what looks the same is not sent again.
  absl::Status Show() {
    const std::vector<uint32_t> pixels(kScreen.width * kScreen.height,
                                       static_cast<uint32_t>(next_ * 0x030507));
    WriteTo(ram_, backing_, std::as_bytes(std::span(pixels)));
    RC_RETURN_IF_ERROR(Answered(gpu_->Call(TransferToHost2d(kPicture, kScreen, 0))));
    return Answered(gpu_->Call(ResourceFlush(kPicture, kScreen)));
  }
  // A context of its own each time, so that one lost with a renderer is nobody's loss.
  absl::Status Clear() {
    const uint32_t context = 1 + next_++ % 16;
    VirglEncoder stream;
    stream.CreateSurface(kSurface, kTexture, kVirglFormatB8G8R8A8Unorm);
    stream.SetFramebuffer(kSurface);
    stream.Clear({0.25F, 0.5F, 0.75F, 1});
    RC_RETURN_IF_ERROR(Answered(gpu_->Call(CtxCreate(context, "load"))));
    RC_RETURN_IF_ERROR(
        Answered(gpu_->Call(ResourceCreate3d(kTexture, 64, 64, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM))));
    RC_RETURN_IF_ERROR(Answered(gpu_->Call(CtxAttachResource(context, kTexture))));
    const auto size = static_cast<uint32_t>(stream.bytes().size());
    RC_RETURN_IF_ERROR(
        Answered(gpu_->Call(Fenced(Submit3d(context, size), next_), stream.bytes())));
    RC_RETURN_IF_ERROR(Answered(gpu_->Call(CtxDestroy(context))));
    return Answered(gpu_->Call(ResourceUnref(kTexture)));
  }
  absl::Status Err() { return Answered(gpu_->Call(ResourceUnref(4242))); }

 private:
  // Errors of single commands are the point of some tests; silence is the end.
  static absl::Status Answered(const absl::StatusOr<GpuResponse>& response) {
    return response.status();
  }

  GuestRam ram_;
  std::vector<GuestSpan> backing_;
  std::unique_ptr<VhostFrontend> frontend_;
  std::unique_ptr<GpuDriver> gpu_;
  uint64_t next_ = 0;
};

absl::Status Draw(const Flags& flags) {
  RC_ASSIGN_OR_RETURN(const std::unique_ptr<Guest> guest, Guest::Boot(flags.socket));
  RC_RETURN_IF_ERROR(guest->SetUpScreen());
  std::puts("drawing");
  std::fflush(stdout);
  while (true) {
    RC_RETURN_IF_ERROR(guest->Show());
    RC_RETURN_IF_ERROR(guest->Clear());
    if (flags.errors) RC_RETURN_IF_ERROR(guest->Err());
    std::this_thread::sleep_for(std::chrono::milliseconds(flags.pause_ms));
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Draws on a session's GPU until it is ended.", "gpu-load");
  rendercar::ProgramFlags program(app, "gpu-load");
  Flags flags;
  app.add_option("socket", flags.socket, "The session's vhost-user socket")->required();
  app.add_option("--pause-ms", flags.pause_ms, "Pause between pictures [20]");
  app.add_flag("--errors", flags.errors, "Make an error in each round, too");
  if (const auto exit = program.Parse(argc, argv)) return static_cast<int>(*exit);
  return rendercar::Fail("gpu-load", Draw(flags));
}
