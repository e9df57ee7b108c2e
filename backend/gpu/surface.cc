// The host's copy of a picture.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/surface.h"

#include <sys/mman.h>

#include <cerrno>

namespace rendercar::gpu {
namespace {

// From here on at most half of a huge page is wasted for two that are used.
constexpr size_t kLargeBytes = size_t{4} << 20;

}  // namespace

absl::StatusOr<std::shared_ptr<Surface>> Surface::Create(uint32_t width, uint32_t height) {
  const size_t size = size_t{width} * height * kBytesPerPixel;
  void* pixels = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pixels == MAP_FAILED) return absl::ResourceExhaustedError("no memory for a picture");
  // Whole frames are written again and again: fewer page faults and table walks. Only a wish.
  if (size >= kLargeBytes) ::madvise(pixels, size, MADV_HUGEPAGE);
  return std::shared_ptr<Surface>(new Surface(width, height, static_cast<std::byte*>(pixels)));
}

Surface::~Surface() { ::munmap(pixels_, stride_bytes() * height_); }

}  // namespace rendercar::gpu
