// QEMU's end of the display socket: a thread that answers what the backend asks, keeps a picture of
// each scanout and notes every breach of the protocol.
// SPDX-License-Identifier: Apache-2.0
#include "tests/frontend/display_end.h"

#include <fmt/format.h>
#include <linux/virtio_gpu.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "common/unix_socket.h"
#include "tests/frontend/edid.h"
#include "tests/frontend/vhost_channel.h"

namespace rendercar::frontend {
namespace {

// The most that QEMU takes: one UPDATE of a 16384x16384 picture would be refused long before.
constexpr uint32_t kMaxPayload = 256U << 20;

// The first bytes of `payload` as a T; false when it is shorter.
template <typename T>
bool Decode(std::span<const std::byte> payload, T* out) {
  if (payload.size() < sizeof(T)) return false;
  std::memcpy(static_cast<void*>(out), payload.data(), sizeof(T));
  return true;
}

}  // namespace

absl::StatusOr<std::unique_ptr<DisplayEnd>> DisplayEnd::Create(const DisplayOptions& options) {
  RC_ASSIGN_OR_RETURN(SocketPair pair, CreateSocketPair(SOCK_STREAM));
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop.valid()) return absl::InternalError("no eventfd");
  return std::unique_ptr<DisplayEnd>(
      new DisplayEnd(options, std::move(pair.a), std::move(pair.b), std::move(stop)));
}

DisplayEnd::DisplayEnd(const DisplayOptions& options, UniqueFd socket, UniqueFd peer, UniqueFd stop)
    : options_(options),
      socket_(std::move(socket)),
      peer_(std::move(peer)),
      stop_(std::move(stop)),
      thread_([this] { Run(); }) {}

DisplayEnd::~DisplayEnd() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  const uint64_t one = 1;
  RC_CHECK(::write(stop_.get(), &one, sizeof(one)) == sizeof(one), "an eventfd takes one");
  thread_.join();
}

void DisplayEnd::Pause() {
  std::unique_lock lock(mutex_);
  paused_ = true;
  changed_.wait(lock, [this] { return !in_message_ || state_.backend_closed; });
}

void DisplayEnd::Resume() {
  {
    const std::lock_guard lock(mutex_);
    paused_ = false;
  }
  changed_.notify_all();
}

DisplayState DisplayEnd::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

bool DisplayEnd::WaitFor(const std::function<bool(const DisplayState&)>& done,
                         std::chrono::milliseconds timeout) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [&] { return done(state_); });
}

bool DisplayEnd::WaitForPicture(uint32_t scanout, const Picture& wanted) const {
  return WaitFor([&](const DisplayState& state) {
    const auto found = state.scanouts.find(scanout);
    return found != state.scanouts.end() && CountDifferent(found->second, wanted) == 0;
  });
}

absl::Status DisplayEnd::SendRaw(std::span<const std::byte> bytes) {
  return SendWithFds(socket_.get(), bytes, {}).status();
}

void DisplayEnd::Run() {
  while (ReadMessage()) {
    const std::lock_guard lock(mutex_);
    in_message_ = false;
    changed_.notify_all();
  }
  const std::lock_guard lock(mutex_);
  state_.backend_closed = true;
  changed_.notify_all();
}

bool DisplayEnd::ReadExactly(std::span<std::byte> out, std::vector<UniqueFd>* fds) {
  while (!out.empty()) {
    absl::StatusOr<Received> received = ReceiveWithFds(socket_.get(), out, 4, MSG_DONTWAIT);
    if (absl::IsUnavailable(received.status())) {
      pollfd polls[] = {{socket_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
      ::poll(polls, 2, -1);
      if (polls[1].revents != 0) return false;
      continue;
    }
    if (!received.ok() || received->size == 0) return false;
    for (UniqueFd& fd : received->fds) fds->push_back(std::move(fd));
    out = out.subspan(received->size);
  }
  return true;
}

bool DisplayEnd::ReadMessage() {
  VhostUserGpuHeader header;
  std::vector<UniqueFd> fds;
  if (!ReadExactly(std::as_writable_bytes(std::span(&header, 1)), &fds)) return false;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !paused_ || stopping_; });
    if (stopping_) return false;
    in_message_ = true;
    ++state_.messages[header.request];
    state_.largest_message =
        std::max<uint64_t>(state_.largest_message, sizeof(header) + uint64_t{header.size});
  }
  if (header.size > kMaxPayload) {
    Breach(fmt::format("request {} announces {} bytes", header.request, header.size));
    return false;
  }
  if (buffer_.size() < header.size) buffer_.resize(header.size);
  const std::span<std::byte> payload = std::span(buffer_).first(header.size);
  return ReadExactly(payload, &fds) && Dispatch(header, payload);
}

bool DisplayEnd::Dispatch(const VhostUserGpuHeader& header, std::span<const std::byte> payload) {
  switch (header.request) {
    case VHOST_USER_GPU_GET_PROTOCOL_FEATURES:
      return Reply(header.request, BytesOf(options_.protocol_features));
    case VHOST_USER_GPU_SET_PROTOCOL_FEATURES: {
      const std::lock_guard lock(mutex_);
      if (!Decode(payload, &state_.protocol_features)) state_.breaches.push_back("short features");
      return true;
    }
    case VHOST_USER_GPU_GET_DISPLAY_INFO:
      return AnswerDisplayInfo();
    case VHOST_USER_GPU_GET_EDID:
      return AnswerEdid(payload);
    case VHOST_USER_GPU_CURSOR_POS:
    case VHOST_USER_GPU_CURSOR_POS_HIDE:
      MoveCursor(payload, header.request == VHOST_USER_GPU_CURSOR_POS);
      return true;
    case VHOST_USER_GPU_CURSOR_UPDATE:
      UpdateCursor(payload);
      return true;
    case VHOST_USER_GPU_SCANOUT:
      SetScanout(payload);
      return true;
    case VHOST_USER_GPU_UPDATE:
      Show(payload);
      return true;
    case VHOST_USER_GPU_DMABUF_SCANOUT:
    case VHOST_USER_GPU_DMABUF_SCANOUT2:
      return true;
    case VHOST_USER_GPU_DMABUF_UPDATE:
      return Reply(header.request, {});
    default:
      Breach(fmt::format("unknown request {}", header.request));
      return true;
  }
}

bool DisplayEnd::Reply(uint32_t request, std::span<const std::byte> payload) {
  const VhostUserGpuHeader header{request, kGpuMsgReply, static_cast<uint32_t>(payload.size())};
  std::vector<std::byte> message(sizeof(header) + payload.size());
  std::memcpy(message.data(), &header, sizeof(header));
  if (!payload.empty()) {
    std::memcpy(message.data() + sizeof(header), payload.data(), payload.size());
  }
  const absl::StatusOr<size_t> sent = SendWithFds(socket_.get(), message, {});
  return sent.ok() && *sent == message.size();
}

bool DisplayEnd::AnswerDisplayInfo() {
  virtio_gpu_resp_display_info info{};
  info.hdr.type = VIRTIO_GPU_RESP_OK_DISPLAY_INFO;
  for (size_t i = 0; i < options_.heads.size() && i < VIRTIO_GPU_MAX_SCANOUTS; ++i) {
    info.pmodes[i].r.width = options_.heads[i].width;
    info.pmodes[i].r.height = options_.heads[i].height;
    info.pmodes[i].enabled = options_.heads[i].enabled ? 1 : 0;
  }
  return Reply(VHOST_USER_GPU_GET_DISPLAY_INFO, BytesOf(info));
}

bool DisplayEnd::AnswerEdid(std::span<const std::byte> payload) {
  uint32_t scanout = 0;
  if (!Decode(payload, &scanout) || scanout >= options_.heads.size()) {
    Breach("EDID of a scanout that is not there");  // QEMU never answers this
    return true;
  }
  const DisplayOptions::Head& head = options_.heads[scanout];
  return Reply(VHOST_USER_GPU_GET_EDID, BytesOf(MakeEdidReply(head.width, head.height)));
}

void DisplayEnd::SetScanout(std::span<const std::byte> payload) {
  VhostUserGpuScanout scanout;
  if (payload.size() != sizeof(scanout) || !Decode(payload, &scanout)) {
    return Breach(fmt::format("SCANOUT of {} bytes", payload.size()));
  }
  if (scanout.scanout_id >= options_.heads.size()) return Breach("SCANOUT of an unknown head");
  const std::lock_guard lock(mutex_);
  if (scanout.width == 0 || scanout.height == 0) {
    state_.scanouts.erase(scanout.scanout_id);
  } else {
    state_.scanouts[scanout.scanout_id] = Picture(scanout.width, scanout.height);
  }
}

void DisplayEnd::Show(std::span<const std::byte> payload) {
  VhostUserGpuUpdate update;
  if (!Decode(payload, &update)) return Breach("a short UPDATE");
  const uint64_t pixels = uint64_t{update.width} * update.height;
  if (payload.size() != sizeof(update) + pixels * 4) {
    return Breach(
        fmt::format("UPDATE of {}x{} has {} bytes", update.width, update.height, payload.size()));
  }
  const std::lock_guard lock(mutex_);
  const auto found = state_.scanouts.find(update.scanout_id);
  if (found == state_.scanouts.end()) {
    state_.breaches.push_back(
        fmt::format("UPDATE of scanout {} before SCANOUT", update.scanout_id));
    return;
  }
  Picture& picture = found->second;
  if (uint64_t{update.x} + update.width > picture.width ||
      uint64_t{update.y} + update.height > picture.height) {
    state_.breaches.push_back("UPDATE outside its scanout");
    return;
  }
  const std::byte* row = payload.data() + sizeof(update);
  for (uint32_t y = 0; y < update.height; ++y, row += size_t{update.width} * 4) {
    std::memcpy(picture.Row(update.y + y) + update.x, row, size_t{update.width} * 4);
  }
  state_.pixels += pixels;
}

void DisplayEnd::MoveCursor(std::span<const std::byte> payload, bool visible) {
  VhostUserGpuCursorPos pos;
  if (payload.size() != sizeof(pos) || !Decode(payload, &pos)) {
    return Breach(fmt::format("a cursor position of {} bytes", payload.size()));
  }
  const std::lock_guard lock(mutex_);
  DisplayState::Cursor& cursor = state_.cursors[pos.scanout_id];
  cursor.x = pos.x;
  cursor.y = pos.y;
  cursor.visible = visible;
}

void DisplayEnd::UpdateCursor(std::span<const std::byte> payload) {
  const auto update = std::make_unique<VhostUserGpuCursorUpdate>();
  if (payload.size() != sizeof(*update) || !Decode(payload, update.get())) {
    return Breach(fmt::format("a cursor of {} bytes", payload.size()));
  }
  const std::lock_guard lock(mutex_);
  DisplayState::Cursor& cursor = state_.cursors[update->pos.scanout_id];
  cursor = {update->pos.x, update->pos.y, update->hot_x, update->hot_y, true, {}};
  cursor.pixels.assign(std::begin(update->data), std::end(update->data));
}

void DisplayEnd::Breach(std::string what) {
  const std::lock_guard lock(mutex_);
  state_.breaches.push_back(std::move(what));
}

}  // namespace rendercar::frontend
