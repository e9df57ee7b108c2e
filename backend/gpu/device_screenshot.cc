// What a head shows, copied for somebody who asks.
// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <utility>

#include "backend/gpu/device.h"
#include "common/shared_memory.h"

namespace rendercar::gpu {
namespace {

using screenshot::Outcome;

Screenshot Copy(const Surface& surface, const Rect& rect) {
  Screenshot copy;
  copy.outcome = Outcome::kNoMemory;
  const size_t row_bytes = size_t{rect.width} * kBytesPerPixel;
  const size_t size = row_bytes * rect.height;
  if (size > screenshot::kMaxBytes) return copy;
  auto memory = CreateSealedMemory("screenshot", size);
  if (!memory.ok()) return copy;
  auto mapping = Mapping::Map(memory->get(), 0, size, Mapping::Access::kReadWrite);
  if (!mapping.ok()) return copy;
  std::byte* row = mapping->bytes().data();
  for (uint32_t y = 0; y < rect.height; ++y, row += row_bytes)
    std::memcpy(row, surface.pixel(rect.x, rect.y + y), row_bytes);
  copy.outcome = Outcome::kPicture;
  copy.width = rect.width;
  copy.height = rect.height;
  copy.pixels = *std::move(memory);
  return copy;
}

}  // namespace

Screenshot Device::TakeScreenshot(uint32_t head) {
  if (head >= VIRTIO_GPU_MAX_SCANOUTS || options_.headless) return {};
  Screenshot none;
  if (display_.shows_dmabuf(head)) {
    none.outcome = Outcome::kNoPixels;
    return none;
  }
  const Scanout& scanout = display_.scanout(head);
  return scanout.enabled() ? Copy(*scanout.surface(), scanout.rect()) : std::move(none);
}

}  // namespace rendercar::gpu
