// Heads that show pictures in GPU memory.
// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <utility>

#include "backend/gpu/display.h"

namespace rendercar::gpu {
namespace {

constexpr uint64_t kFeatureDmabuf2 = uint64_t{1} << wire::VHOST_USER_GPU_PROTOCOL_F_DMABUF2;

template <typename T>
std::span<const std::byte> Bytes(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

}  // namespace

void Display::SetDmabuf(uint32_t id, std::shared_ptr<const ExportedBuffer> buffer) {
  Head& head = heads_[id];
  if (head.dmabuf.buffer == buffer) return;
  head.scanout.Disable();
  head.dmabuf.buffer = std::move(buffer);
  head.dmabuf.unannounced = true;
  head.dmabuf.left = false;
  head.dmabuf.damage = {0, 0, head.dmabuf.buffer->width, head.dmabuf.buffer->height};
}

void Display::FlushDmabuf(uint32_t id, const Rect& rect) {
  DmabufHead& dmabuf = heads_[id].dmabuf;
  if (!dmabuf.shown()) return;
  if (!dmabuf.damage.empty()) stats_.Count(StatsValue::kFramesCoalesced);
  dmabuf.damage = Unite(dmabuf.damage, rect);
}

void Display::LeaveDmabuf(Head& head) {
  if (!head.dmabuf.shown()) return;
  const bool told = head.dmabuf.viewer_has_one;
  head.dmabuf = {};
  head.dmabuf.left = told;
  head.announced_width = head.announced_height = 0;
}

bool Display::PumpDmabuf(uint32_t id) {
  DmabufHead& dmabuf = heads_[id].dmabuf;
  // How to announce it depends on what the frontend can.
  if (!negotiated_) return true;
  if (dmabuf.left) {
    const wire::VhostUserGpuDmabufScanout none{id, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    if (!channel_.Send(wire::VHOST_USER_GPU_DMABUF_SCANOUT, Bytes(none))) return false;
    dmabuf.left = false;
  }
  if (!dmabuf.shown()) return true;
  if (dmabuf.unannounced && !AnnounceDmabuf(id)) return false;
  if (!dmabuf.awaiting && !dmabuf.damage.empty()) UpdateDmabuf(id);
  return true;
}

bool Display::AnnounceDmabuf(uint32_t id) {
  Head& head = heads_[id];
  const ExportedBuffer& buffer = *head.dmabuf.buffer;
  constexpr uint32_t kFlagY0Top = 1;  // VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP
  wire::VhostUserGpuDmabufScanout2 scanout{};
  scanout.dmabuf_scanout = {id,
                            0,
                            0,
                            buffer.width,
                            buffer.height,
                            buffer.width,
                            buffer.height,
                            buffer.stride_bytes,
                            buffer.y_0_top ? kFlagY0Top : 0,
                            buffer.fourcc};
  scanout.modifier = buffer.modifier;
  const bool with_modifier =
      (protocol_features_ & kFeatureDmabuf2) != 0 && buffer.modifier != ExportedBuffer::kNoModifier;
  const bool sent = with_modifier
                        ? channel_.SendWithFd(wire::VHOST_USER_GPU_DMABUF_SCANOUT2, Bytes(scanout),
                                              buffer.fd.get())
                        : channel_.SendWithFd(wire::VHOST_USER_GPU_DMABUF_SCANOUT,
                                              Bytes(scanout.dmabuf_scanout), buffer.fd.get());
  if (!sent) return false;
  head.dmabuf.unannounced = false;
  head.dmabuf.viewer_has_one = true;
  // Pixels, should they come back, are announced anew.
  head.announced_width = head.announced_height = 0;
  return true;
}

void Display::UpdateDmabuf(uint32_t id) {
  DmabufHead& dmabuf = heads_[id].dmabuf;
  const Rect rect = std::exchange(dmabuf.damage, {});
  const wire::VhostUserGpuUpdate update{id, rect.x, rect.y, rect.width, rect.height};
  dmabuf.awaiting = true;
  stats_.Count(StatsValue::kFramesShown);
  channel_.Request(wire::VHOST_USER_GPU_DMABUF_UPDATE, Bytes(update),
                   [this, id, epoch = epoch_](std::span<const std::byte>) {
                     if (epoch != epoch_) return;
                     heads_[id].dmabuf.awaiting = false;
                     Pump();
                   });
}

}  // namespace rendercar::gpu
