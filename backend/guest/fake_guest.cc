// A guest for tests: memory in memfds, and the driver's side of a split virtqueue in it.
// SPDX-License-Identifier: Apache-2.0
#include "backend/guest/fake_guest.h"

#include <linux/virtio_config.h>
#define VIRTIO_RING_NO_LEGACY
#include <linux/virtio_ring.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <utility>

namespace rendercar::guest {
namespace {

constexpr uint64_t kPage = 4096;
uint64_t RoundUp(uint64_t value) { return (value + kPage - 1) / kPage * kPage; }

}  // namespace

FakeGuestMemory::FakeGuestMemory(const std::vector<size_t>& region_sizes) {
  uint64_t guest_addr = kGuestBase;
  for (const size_t size : region_sizes) {
    FakeRegion region;
    region.guest_addr = guest_addr;
    // Not sealed, as a frontend's may be.
    region.fd.Reset(::memfd_create("fake-guest", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    RC_CHECK(region.fd.valid() && ::ftruncate(region.fd.get(), static_cast<off_t>(size)) == 0,
             "tests need a memfd");
    auto mapping = Mapping::Map(region.fd.get(), 0, size, Mapping::Access::kReadWrite);
    RC_CHECK(mapping.ok(), "tests need to map a memfd");
    region.mapping = *std::move(mapping);
    regions_.push_back(std::move(region));
    guest_addr += size;
  }
}

std::vector<RegionDescription> FakeGuestMemory::Describe() const {
  std::vector<RegionDescription> descriptions;
  for (const FakeRegion& region : regions_) {
    RegionDescription description;
    description.guest_addr = region.guest_addr;
    description.user_addr = region.guest_addr + kUserOffset;
    description.size_bytes = region.mapping.bytes().size();
    description.fd = region.fd.Duplicate();
    descriptions.push_back(std::move(description));
  }
  return descriptions;
}

std::shared_ptr<const GuestMemory> FakeGuestMemory::Map() const {
  auto memory = GuestMemory::Map(Describe(), nullptr);
  RC_CHECK(memory.ok(), "a fake guest's memory can be mapped");
  return *std::move(memory);
}

std::byte* FakeGuestMemory::At(uint64_t guest_addr, size_t size) const {
  for (const FakeRegion& region : regions_) {
    const uint64_t offset = guest_addr - region.guest_addr;
    const size_t region_size = region.mapping.bytes().size();
    if (offset < region_size && size <= region_size - offset)
      return region.mapping.bytes().data() + offset;
  }
  RC_CHECK(false, "a test uses an address outside its fake guest's memory");
  return nullptr;
}

FakeDriver::FakeDriver(FakeGuestMemory& memory, uint64_t ring_addr, uint32_t size)
    : memory_(memory),
      size_(size),
      desc_(ring_addr),
      avail_(desc_ + RoundUp(16 * uint64_t{size})),
      used_(avail_ + RoundUp(6 + 2 * uint64_t{size})) {}

uint64_t FakeDriver::RingBytes(uint32_t size) {
  return RoundUp(16 * uint64_t{size}) + RoundUp(6 + 2 * uint64_t{size}) +
         RoundUp(6 + 8 * uint64_t{size});
}

Virtqueue::Config FakeDriver::config() const {
  Virtqueue::Config config;
  config.size = size_;
  config.desc_user_addr = desc_ + FakeGuestMemory::kUserOffset;
  config.avail_user_addr = avail_ + FakeGuestMemory::kUserOffset;
  config.used_user_addr = used_ + FakeGuestMemory::kUserOffset;
  config.event_idx = true;
  config.indirect_desc = true;
  return config;
}

uint16_t FakeDriver::Allocate(size_t count) {
  const auto first = static_cast<uint16_t>(next_free_ % size_);
  next_free_ = static_cast<uint16_t>((first + count) % size_);
  return first;
}

uint16_t FakeDriver::Add(std::span<const FakeBuffer> buffers) {
  const uint16_t head = Allocate(buffers.size());
  for (size_t i = 0; i < buffers.size(); ++i) {
    const bool last = i + 1 == buffers.size();
    const int flags =
        (buffers[i].writable ? VRING_DESC_F_WRITE : 0) | (last ? 0 : VRING_DESC_F_NEXT);
    WriteDescriptor(static_cast<uint16_t>((head + i) % size_), buffers[i].guest_addr,
                    buffers[i].size, static_cast<uint16_t>(flags),
                    last ? uint16_t{0} : static_cast<uint16_t>((head + i + 1) % size_));
  }
  MakeAvailable(head);
  return head;
}

uint16_t FakeDriver::AddIndirect(std::span<const FakeBuffer> buffers, uint64_t table_addr) {
  for (size_t i = 0; i < buffers.size(); ++i) {
    const bool last = i + 1 == buffers.size();
    const int flags =
        (buffers[i].writable ? VRING_DESC_F_WRITE : 0) | (last ? 0 : VRING_DESC_F_NEXT);
    memory_.Write(table_addr + 16 * i,
                  vring_desc{buffers[i].guest_addr, buffers[i].size, static_cast<uint16_t>(flags),
                             static_cast<uint16_t>(i + 1)});
  }
  const uint16_t head = Allocate(1);
  WriteDescriptor(head, table_addr, static_cast<uint32_t>(16 * buffers.size()),
                  VRING_DESC_F_INDIRECT, 0);
  MakeAvailable(head);
  return head;
}

void FakeDriver::WriteDescriptor(uint16_t index, uint64_t addr, uint32_t len, uint16_t flags,
                                 uint16_t next) {
  memory_.Write(desc_ + 16 * uint64_t{index}, vring_desc{addr, len, flags, next});
}

void FakeDriver::MakeAvailable(uint16_t head) {
  memory_.Write(avail_ + 4 + 2 * uint64_t{avail_index_ % size_}, head);
  SetAvailIndex(static_cast<uint16_t>(avail_index_ + 1));
}

void FakeDriver::SetAvailIndex(uint16_t index) {
  avail_index_ = index;
  std::atomic_ref<uint16_t>(*reinterpret_cast<uint16_t*>(memory_.At(avail_ + 2, 2)))
      .store(index, std::memory_order_seq_cst);
}

void FakeDriver::SetAvailFlags(uint16_t flags) { memory_.Write(avail_, flags); }

void FakeDriver::SetUsedIndex(uint16_t index) {
  memory_.Write(used_ + 2, index);
  taken_ = index;
}

void FakeDriver::SetUsedEvent(uint16_t index) {
  memory_.Write(avail_ + 4 + 2 * uint64_t{size_}, index);
}

uint16_t FakeDriver::UsedIndex() const {
  return std::atomic_ref<uint16_t>(*reinterpret_cast<uint16_t*>(memory_.At(used_ + 2, 2)))
      .load(std::memory_order_acquire);
}
uint16_t FakeDriver::UsedFlags() const { return memory_.Read<uint16_t>(used_); }
uint16_t FakeDriver::AvailEvent() const {
  return memory_.Read<uint16_t>(used_ + 4 + 8 * uint64_t{size_});
}

std::optional<FakeDriver::Used> FakeDriver::TakeUsed() {
  if (UsedIndex() == taken_) return std::nullopt;
  const auto used = memory_.Read<vring_used_elem>(used_ + 4 + 8 * uint64_t{taken_ % size_});
  ++taken_;
  return Used{used.id, used.len};
}

}  // namespace rendercar::guest
