// The guest's RAM: memfds mapped here and shared with the backend, and a bump allocator in them.
// SPDX-License-Identifier: Apache-2.0
#include "tests/frontend/guest_ram.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

namespace rendercar::frontend {
namespace {

constexpr uint32_t kPage = 4096;

absl::StatusOr<UniqueFd> CreateMemfd(size_t size, bool seal) {
  if (seal) return CreateSealedMemory("frontend-guest-ram", size);
  UniqueFd fd(::memfd_create("frontend-guest-ram", MFD_CLOEXEC));
  if (!fd.valid() || ::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) {
    return ErrnoStatus(errno, "create guest RAM");
  }
  return fd;
}

}  // namespace

uint64_t GuestRam::Region::user_addr() const {
  return std::bit_cast<uintptr_t>(mapping.bytes().data());
}

absl::StatusOr<GuestRam> GuestRam::Create(const std::vector<RegionOptions>& regions, bool seal) {
  GuestRam ram;
  for (const RegionOptions& wanted : regions) {
    Region region;
    region.guest_addr = wanted.guest_addr;
    RC_ASSIGN_OR_RETURN(region.fd, CreateMemfd(wanted.size, seal));
    RC_ASSIGN_OR_RETURN(region.mapping,
                        Mapping::Map(region.fd.get(), 0, wanted.size, Mapping::Access::kReadWrite));
    ram.regions_.push_back(std::move(region));
  }
  return ram;
}

std::span<std::byte> GuestRam::At(uint64_t addr, size_t size) const {
  for (const Region& region : regions_) {
    if (addr >= region.guest_addr && addr - region.guest_addr <= region.size() &&
        size <= region.size() - (addr - region.guest_addr)) {
      return region.mapping.bytes().subspan(addr - region.guest_addr, size);
    }
  }
  RC_CHECK(false, "the test names guest memory that it never made");
  return {};
}

uint64_t GuestRam::UserAddress(uint64_t addr) const {
  return std::bit_cast<uintptr_t>(At(addr, 1).data());
}

uint64_t GuestRam::Allocate(size_t size, size_t align) {
  const Region& last = regions_.back();
  next_ = (next_ + align - 1) / align * align;
  RC_CHECK(next_ + size <= last.size(), "the test's guest RAM is full; give it more");
  const uint64_t addr = last.guest_addr + next_;
  next_ += size;
  return addr;
}

std::vector<GuestSpan> GuestRam::AllocateScattered(size_t size) {
  const size_t pages = (size + kPage - 1) / kPage;
  const uint64_t base = Allocate(pages * kPage, kPage);
  // Every 17th page in turn: never adjacent, and the same in each run.
  std::vector<GuestSpan> spans;
  constexpr size_t kStride = 17;
  for (size_t start = 0; start < kStride; ++start) {
    for (size_t page = start; page < pages; page += kStride) {
      spans.push_back({base + page * kPage, kPage});
    }
  }
  return spans;
}

void WriteTo(const GuestRam& ram, std::span<const GuestSpan> spans,
             std::span<const std::byte> bytes) {
  for (const GuestSpan& span : spans) {
    const size_t part = std::min<size_t>(span.size, bytes.size());
    if (part == 0) return;
    std::memcpy(ram.At(span.addr, part).data(), bytes.data(), part);
    bytes = bytes.subspan(part);
  }
}

std::vector<std::byte> ReadFrom(const GuestRam& ram, std::span<const GuestSpan> spans) {
  std::vector<std::byte> bytes;
  for (const GuestSpan& span : spans) {
    const std::span<std::byte> part = ram.At(span.addr, span.size);
    bytes.insert(bytes.end(), part.begin(), part.end());
  }
  return bytes;
}

}  // namespace rendercar::frontend
