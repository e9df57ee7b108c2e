// The display socket between a guest that shows anything and a frontend that answers anything,
// reads when it likes and hangs up: what is sent is always whole and fits what was announced, and
// every question is answered exactly once.
// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <map>

#include "backend/gpu/device_fixture.h"
#include "backend/gpu/display.h"
#include "tests/fuzz_input.h"

namespace rendercar::gpu {
namespace {

using wire::VhostUserGpuRequest;

// The frontend's end; knows what a frontend that follows the protocol would expect.
class Viewer {
 public:
  explicit Viewer(UniqueFd socket) : peer_(std::move(socket)) {}
  void Read(size_t at_most_bytes) {
    for (const DisplayMessage& message : peer_.Read(at_most_bytes)) Check(message);
  }
  void Send(const std::vector<std::byte>& bytes) { peer_.SendRaw(bytes.data(), bytes.size()); }
  void Close() { peer_.Close(); }

 private:
  struct Size {
    uint32_t width = 0, height = 0;
  };
  static void Demand(bool holds) {
    if (!holds) __builtin_trap();
  }
  void Check(const DisplayMessage& message) {
    const size_t size = message.payload.size();
    switch (static_cast<VhostUserGpuRequest>(message.request)) {
      case wire::VHOST_USER_GPU_GET_PROTOCOL_FEATURES:
      case wire::VHOST_USER_GPU_GET_DISPLAY_INFO:
        return Demand(size == 0);
      case wire::VHOST_USER_GPU_SET_PROTOCOL_FEATURES:
        return Demand(size == sizeof(uint64_t));
      case wire::VHOST_USER_GPU_GET_EDID:
        return Demand(size == sizeof(wire::VhostUserGpuEdidRequest));
      case wire::VHOST_USER_GPU_CURSOR_POS:
      case wire::VHOST_USER_GPU_CURSOR_POS_HIDE:
        return Demand(size == sizeof(wire::VhostUserGpuCursorPos));
      case wire::VHOST_USER_GPU_CURSOR_UPDATE:
        return Demand(size == sizeof(wire::VhostUserGpuCursorUpdate));
      case wire::VHOST_USER_GPU_SCANOUT:
        return CheckScanout(message);
      case wire::VHOST_USER_GPU_UPDATE:
        return CheckUpdate(message);
      case wire::VHOST_USER_GPU_NONE:
      case wire::VHOST_USER_GPU_DMABUF_SCANOUT:
      case wire::VHOST_USER_GPU_DMABUF_UPDATE:
      case wire::VHOST_USER_GPU_DMABUF_SCANOUT2:
        return Demand(false);
    }
    Demand(false);
  }
  void CheckScanout(const DisplayMessage& message) {
    Demand(message.payload.size() == sizeof(wire::VhostUserGpuScanout));
    const auto scanout = message.As<wire::VhostUserGpuScanout>();
    Demand(scanout.scanout_id < VIRTIO_GPU_MAX_SCANOUTS);
    announced_[scanout.scanout_id] = {scanout.width, scanout.height};
  }
  void CheckUpdate(const DisplayMessage& message) {
    Demand(message.payload.size() > sizeof(wire::VhostUserGpuUpdate));
    const auto update = message.As<wire::VhostUserGpuUpdate>();
    const Size size = announced_[update.scanout_id];
    Demand(Fits({update.x, update.y, update.width, update.height}, size.width, size.height));
    Demand(message.payload.size() ==
           sizeof(update) + size_t{update.width} * update.height * kBytesPerPixel);
  }

  DisplayPeer peer_;
  std::map<uint32_t, Size> announced_;
};

class Scene {
 public:
  explicit Scene(FuzzInput input) : input_(input) {}

  void Run() {
    for (int steps = 0; !input_.empty() && steps < 400; ++steps) Step();
    display_->AnswerNow();
    if (asked_ != answered_) __builtin_trap();
    viewer_->Read(SIZE_MAX);
    display_.reset();
    loop_.Advance(std::chrono::seconds(10));
    if (asked_ != answered_) __builtin_trap();
  }

 private:
  void Step() {
    switch (input_.Byte() % 17) {
      case 0:
        ++asked_;
        return display_->GetDisplayInfo([this](const virtio_gpu_resp_display_info&) { Answer(); });
      case 1:
        ++asked_;
        return display_->GetEdid(input_.Byte() % VIRTIO_GPU_MAX_SCANOUTS,
                                 [this](const std::optional<virtio_gpu_resp_edid>&) { Answer(); });
      case 2:
        viewer_->Send(input_.BytesUpTo(input_.Byte()));
        return (void)loop_.Fire(socket_, EPOLLIN);
      case 3:
        return Reply();
      case 4:
        viewer_->Read(size_t{input_.Byte()} << (input_.Byte() % 16));
        return (void)loop_.Fire(socket_, EPOLLOUT);
      case 5:
        return Connect();
      case 6:
        viewer_->Close();
        return (void)loop_.Fire(socket_, EPOLLIN | EPOLLHUP);
      case 7:
        return display_->SetSocket(UniqueFd());
      case 8:
        return Show();
      case 9:
        return display_->DisableScanout(input_.Byte() % VIRTIO_GPU_MAX_SCANOUTS);
      case 10:
        return Draw();
      case 11: {
        const Surface& surface = *ASurface();
        return display_->Flush(surface, RectOf(surface));
      }
      case 12:
        return Cursor();
      case 13:
        return loop_.Advance(std::chrono::milliseconds(input_.Byte()));
      case 14:
        return display_->Reset();
      case 15:
        return display_->AnswerNow();
      case 16:
        return display_->Pump();
    }
  }

  void Answer() {
    if (++answered_ > asked_) __builtin_trap();
  }
  std::shared_ptr<Surface> ASurface() { return surfaces_[input_.Byte() % surfaces_.size()]; }
  Rect RectOf(const Surface& surface) {
    Rect rect;
    rect.x = input_.Below(surface.width());
    rect.y = input_.Below(surface.height());
    rect.width = 1 + input_.Below(surface.width() - rect.x);
    rect.height = 1 + input_.Below(surface.height() - rect.y);
    return rect;
  }
  void Connect() {
    auto pair = CreateSocketPair(SOCK_STREAM);
    RC_CHECK(pair.ok(), "no sockets for a fuzzer");
    socket_ = pair->a.get();
    // Small, so that messages are cut in two.
    const int bytes = input_.Byte() * 64;
    display_->SetSocket(std::move(pair->a));
    if (bytes != 0) ::setsockopt(socket_, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    viewer_ = std::make_unique<Viewer>(std::move(pair->b));
  }
  void Reply() {
    const uint32_t request = input_.Byte() % 13u;
    const auto size = static_cast<uint32_t>(wire::ReplyPayloadBytes(request));
    const wire::VhostUserGpuHeader header{request, wire::VHOST_USER_GPU_MSG_FLAG_REPLY, size};
    auto bytes = DeviceFixture::Bytes(header);
    bytes.resize(sizeof(header) + size, static_cast<std::byte>(input_.Byte()));
    viewer_->Send(bytes);
    loop_.Fire(socket_, EPOLLIN);
  }
  void Show() {
    auto surface = ASurface();
    const Rect rect = RectOf(*surface);
    display_->SetScanout(input_.Byte() % VIRTIO_GPU_MAX_SCANOUTS, std::move(surface), rect);
  }
  void Draw() {
    Surface& surface = *ASurface();
    const Rect rect = RectOf(surface);
    if (surface.viewers > 0) surface.changed().SetRect(rect);
    display_->NoteChanges(surface, rect);
  }
  void Cursor() {
    virtio_gpu_cursor_pos pos{};
    pos.scanout_id = input_.Byte() % VIRTIO_GPU_MAX_SCANOUTS;
    pos.x = uint32_t{input_.Byte()} << 24;
    pos.y = input_.Byte();
    const uint8_t how = input_.Byte();
    if (how % 3 == 0) return display_->MoveCursor(pos);
    auto image = how % 3 == 1 ? std::make_unique<CursorImage>() : nullptr;
    display_->SetCursor(pos, how, ~0u, std::move(image));
  }

  FuzzInput input_;
  FakeLoop loop_;
  StatsWriter stats_;
  std::array<std::shared_ptr<Surface>, 3> surfaces_ = {
      *Surface::Create(64, 64), *Surface::Create(1, 300), *Surface::Create(700, 200)};
  std::unique_ptr<Display> display_ =
      std::make_unique<Display>(loop_, stats_, Display::Options{.headless = input_.Byte() == 255});
  std::unique_ptr<Viewer> viewer_ = std::make_unique<Viewer>(UniqueFd());
  int socket_ = -1;
  size_t asked_ = 0, answered_ = 0;
};

}  // namespace
}  // namespace rendercar::gpu

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rendercar::QuietLogs();
  rendercar::gpu::Scene(rendercar::FuzzInput({data, size})).Run();
  return 0;
}
