// The device side of a split virtqueue (virtio 1.2, section 2.7) with EVENT_IDX and INDIRECT_DESC.
// SPDX-License-Identifier: Apache-2.0
#include "backend/guest/virtqueue.h"

#include <absl/utility/utility.h>
#include <fmt/format.h>
#define VIRTIO_RING_NO_LEGACY
#include <linux/virtio_ring.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <utility>

namespace rendercar::guest {
namespace {

static_assert(std::endian::native == std::endian::little,
              "virtio 1.x rings are little-endian; a big-endian host would have to swap");
static_assert(sizeof(vring_desc) == 16 && sizeof(vring_used_elem) == 8);

constexpr size_t kIdxOffset = 2;   // in both rings: flags, then idx
constexpr size_t kRingOffset = 4;  // then the entries

uint64_t AvailBytes(uint32_t size) { return kRingOffset + 2 * uint64_t{size} + 2; }
uint64_t UsedBytes(uint32_t size) { return kRingOffset + 8 * uint64_t{size} + 2; }

// Every access to a word of the rings is one load or store that the compiler neither splits nor
// repeats.
std::atomic_ref<uint16_t> Word(std::byte* at) {
  return std::atomic_ref<uint16_t>(*reinterpret_cast<uint16_t*>(at));
}

// Copies guest bytes so that the compiler cannot look at them a second time.
void CopyOnce(void* to, const std::byte* from, size_t size) {
  std::memcpy(to, from, size);
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

absl::Status Malformed(std::string_view what, uint64_t value, std::string_view bound_name,
                       uint64_t bound) {
  return absl::InvalidArgumentError(fmt::format("{} {}, {} is {}", what, value, bound_name, bound));
}

absl::StatusOr<std::byte*> Part(const GuestMemory& memory, const char* name, uint64_t user_addr,
                                uint64_t size_bytes, uint64_t alignment) {
  if (user_addr % alignment != 0) {
    return absl::InvalidArgumentError(absl::StrCat("the ", name, " ring at 0x",
                                                   absl::Hex(user_addr), " is not aligned to ",
                                                   alignment, " bytes"));
  }
  auto bytes = memory.TranslateUser(user_addr, size_bytes);
  if (!bytes.ok()) return Annotate(bytes.status(), absl::StrCat("the ", name, " ring"));
  // User address and host address may differ in their low bits when a region's do.
  if (reinterpret_cast<uintptr_t>(bytes->data()) % alignment != 0)
    return absl::InvalidArgumentError(absl::StrCat("the ", name, " ring's region is misaligned"));
  return bytes->data();
}

}  // namespace

// A private copy of one vring_desc.
struct Virtqueue::Descriptor {
  uint64_t addr;
  uint32_t len;
  uint16_t flags;
  uint16_t next;

  bool has(uint16_t flag) const { return (flags & flag) != 0; }
};

size_t CopyFrom(const DescriptorChain& chain, size_t offset, std::span<std::byte> out) {
  size_t copied = 0;
  if (out.empty()) return 0;  // maybe of no address: nothing for memcpy
  for (const std::span<const std::byte> part : chain.readable) {
    if (offset >= part.size()) {
      offset -= part.size();
      continue;
    }
    const size_t count = std::min(part.size() - offset, out.size() - copied);
    CopyOnce(out.data() + copied, part.data() + offset, count);
    copied += count;
    offset = 0;
    if (copied == out.size()) break;
  }
  return copied;
}

size_t CopyTo(const DescriptorChain& chain, std::span<const std::byte> in) {
  size_t copied = 0;
  for (const std::span<std::byte> part : chain.writable) {
    const size_t count = std::min(part.size(), in.size() - copied);
    if (count == 0) break;
    std::memcpy(part.data(), in.data() + copied, count);
    copied += count;
  }
  return copied;
}

absl::StatusOr<Virtqueue> Virtqueue::Create(const Config& config,
                                            std::shared_ptr<const GuestMemory> memory) {
  if (config.size == 0 || config.size > kMaxSize || !std::has_single_bit(config.size)) {
    return absl::InvalidArgumentError(absl::StrCat("a virtqueue of ", config.size,
                                                   " descriptors: a power of two up to ", kMaxSize,
                                                   " is needed"));
  }
  Virtqueue queue;
  queue.config_ = config;
  RC_ASSIGN_OR_RETURN(queue.desc_, Part(*memory, "descriptor", config.desc_user_addr,
                                        sizeof(vring_desc) * uint64_t{config.size}, 16));
  RC_ASSIGN_OR_RETURN(
      queue.avail_, Part(*memory, "available", config.avail_user_addr, AvailBytes(config.size), 2));
  RC_ASSIGN_OR_RETURN(queue.used_,
                      Part(*memory, "used", config.used_user_addr, UsedBytes(config.size), 4));
  queue.memory_ = std::move(memory);
  queue.mask_ = static_cast<uint16_t>(config.size - 1);
  queue.last_avail_ = queue.seen_avail_ = config.last_avail_index;
  queue.next_used_ = queue.published_ =
      Word(queue.used_ + kIdxOffset).load(std::memory_order_relaxed);
  return queue;
}

bool Virtqueue::HasRequests() const {
  return seen_avail_ != last_avail_ ||
         Word(avail_ + kIdxOffset).load(std::memory_order_seq_cst) != last_avail_;
}

bool Virtqueue::LooksUntouched() const {
  vring_desc first;
  CopyOnce(&first, desc_, sizeof(first));
  return last_avail_ == 0 && !HasRequests() && first.addr == 0 && first.len == 0;
}

absl::StatusOr<std::optional<DescriptorChain>> Virtqueue::Pop() {
  if (seen_avail_ == last_avail_) {
    // Acquire: the entries up to this index are read after it.
    const uint16_t index = Word(avail_ + kIdxOffset).load(std::memory_order_acquire);
    const auto ahead = static_cast<uint16_t>(index - last_avail_);
    if (ahead == 0) return std::optional<DescriptorChain>();
    if (ahead > config_.size)
      return Malformed("the available index is ahead by", ahead, "the queue size", config_.size);
    seen_avail_ = index;
  }
  if (in_flight_ >= config_.size)
    return Malformed("requests in flight:", in_flight_ + 1, "the queue size", config_.size);
  const uint16_t head = Word(avail_ + kRingOffset + 2 * size_t{uint16_t(last_avail_ & mask_)})
                            .load(std::memory_order_relaxed);
  if (head >= config_.size)
    return Malformed("a request starts at descriptor", head, "the queue size", config_.size);
  absl::StatusOr<std::optional<DescriptorChain>> result(absl::in_place, std::in_place);
  DescriptorChain& chain = **result;
  chain.head = head;
  RC_RETURN_IF_ERROR(Walk(head, chain));
  ++last_avail_;
  ++in_flight_;
  return result;
}

absl::Status Virtqueue::Walk(uint16_t head, DescriptorChain& chain) const {
  uint32_t index = head;
  for (uint32_t count = 0; count < config_.size; ++count) {
    if (index >= config_.size)
      return Malformed("a descriptor names as its next", index, "the queue size", config_.size);
    Descriptor descriptor;
    CopyOnce(&descriptor, desc_ + sizeof(vring_desc) * size_t{index}, sizeof(descriptor));
    if (descriptor.has(VRING_DESC_F_INDIRECT)) {
      if (!config_.indirect_desc)
        return absl::InvalidArgumentError("an indirect descriptor without VIRTIO_F_INDIRECT_DESC");
      if (descriptor.has(VRING_DESC_F_NEXT))
        return absl::InvalidArgumentError("an indirect descriptor that has a next one");
      return WalkIndirect(descriptor, chain);
    }
    RC_RETURN_IF_ERROR(AddBuffer(descriptor, chain));
    if (!descriptor.has(VRING_DESC_F_NEXT)) return absl::OkStatus();
    index = descriptor.next;
  }
  return absl::InvalidArgumentError("a chain of descriptors that loops");
}

absl::Status Virtqueue::WalkIndirect(const Descriptor& table, DescriptorChain& chain) const {
  const uint32_t entries = table.len / sizeof(vring_desc);
  if (table.len % sizeof(vring_desc) != 0 || entries == 0)
    return Malformed("bytes of an indirect table:", table.len, "a descriptor", sizeof(vring_desc));
  if (entries > kMaxChainDescriptors)
    return Malformed("descriptors of an indirect table:", entries, "the most",
                     kMaxChainDescriptors);
  if (table.addr + table.len < table.addr)
    return absl::InvalidArgumentError("an indirect table that wraps around");
  uint32_t index = 0;
  for (uint32_t count = 0; count < entries; ++count) {
    if (index >= entries)
      return Malformed("an indirect descriptor names as its next", index, "their number", entries);
    RC_ASSIGN_OR_RETURN(const Descriptor descriptor,
                        ReadDescriptor(table.addr + sizeof(vring_desc) * uint64_t{index}));
    if (descriptor.has(VRING_DESC_F_INDIRECT))
      return absl::InvalidArgumentError("an indirect table inside an indirect table");
    RC_RETURN_IF_ERROR(AddBuffer(descriptor, chain));
    if (!descriptor.has(VRING_DESC_F_NEXT)) return absl::OkStatus();
    index = descriptor.next;
  }
  return absl::InvalidArgumentError("an indirect chain of descriptors that loops");
}

absl::StatusOr<Virtqueue::Descriptor> Virtqueue::ReadDescriptor(uint64_t guest_addr) const {
  Descriptor descriptor;
  auto* out = reinterpret_cast<std::byte*>(&descriptor);
  size_t copied = 0;
  while (copied < sizeof(descriptor)) {
    const auto part = memory_->TranslatePrefix(guest_addr + copied, sizeof(descriptor) - copied);
    if (part.empty())
      return absl::InvalidArgumentError("an indirect table that does not lie in guest memory");
    CopyOnce(out + copied, part.data(), part.size());
    copied += part.size();
  }
  return descriptor;
}

absl::Status Virtqueue::AddBuffer(const Descriptor& descriptor, DescriptorChain& chain) const {
  const bool writable = descriptor.has(VRING_DESC_F_WRITE);
  if (!writable && chain.writable_bytes != 0)
    return absl::InvalidArgumentError("a readable buffer after a writable one");
  if (chain.readable_bytes + chain.writable_bytes + descriptor.len > kMaxChainBytes)
    return Malformed("a request is too long with", descriptor.len, "more bytes; the most",
                     kMaxChainBytes);
  if (descriptor.addr + descriptor.len < descriptor.addr)
    return absl::InvalidArgumentError("a buffer that wraps around");
  // One part for each region that the buffer touches; a buffer of no bytes adds none.
  for (uint32_t done = 0; done < descriptor.len;) {
    const auto part = memory_->TranslatePrefix(descriptor.addr + done, descriptor.len - done);
    if (part.empty())
      return Malformed("a buffer does not lie in guest memory; its address", descriptor.addr,
                       "its length", descriptor.len);
    if (writable) {
      chain.writable.push_back(part);
    } else {
      chain.readable.push_back(part);
    }
    done += static_cast<uint32_t>(part.size());
  }
  (writable ? chain.writable_bytes : chain.readable_bytes) += descriptor.len;
  return absl::OkStatus();
}

void Virtqueue::Push(uint16_t head, uint32_t written_bytes) {
  RC_CHECK(in_flight_ > 0, "a request is answered twice");
  const uint64_t element = uint64_t{head} | uint64_t{written_bytes} << 32;
  std::byte* const at =
      used_ + kRingOffset + sizeof(element) * size_t{uint16_t(next_used_ & mask_)};
  std::memcpy(at, &element, sizeof(element));
  ++next_used_;
  --in_flight_;
}

bool Virtqueue::PublishUsed() {
  if (next_used_ == published_) return false;
  const uint16_t before = std::exchange(published_, next_used_);
  // The elements are seen before the index that covers them. The driver writes its event index and
  // then looks at ours; we do the reverse, and neither may be reordered: sequentially consistent.
  Word(used_ + kIdxOffset).store(next_used_, std::memory_order_seq_cst);
  if (!config_.event_idx) {
    return (Word(avail_).load(std::memory_order_seq_cst) & VRING_AVAIL_F_NO_INTERRUPT) == 0;
  }
  const uint16_t event =
      Word(avail_ + kRingOffset + 2 * size_t{config_.size}).load(std::memory_order_seq_cst);
  // What the driver was told before Create is unknown, so the first time it is always notified.
  return !std::exchange(notified_, true) || vring_need_event(event, next_used_, before) != 0;
}

bool Virtqueue::EnableKicks() {
  if (config_.event_idx) {
    Word(used_ + kRingOffset + 8 * size_t{config_.size})
        .store(last_avail_, std::memory_order_seq_cst);
  } else {
    Word(used_).store(0, std::memory_order_seq_cst);
  }
  return HasRequests();
}

void Virtqueue::DisableKicks() {
  // With EVENT_IDX the driver's index runs away from the event that was asked for: nothing to do.
  if (!config_.event_idx) Word(used_).store(VRING_USED_F_NO_NOTIFY, std::memory_order_relaxed);
}

}  // namespace rendercar::guest
