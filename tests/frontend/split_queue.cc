// The driver's side of a split virtqueue (virtio 1.2, section 2.7) with EVENT_IDX and
// INDIRECT_DESC; also raw access to its memory.
// SPDX-License-Identifier: Apache-2.0
#include "tests/frontend/split_queue.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

namespace rendercar::frontend {
namespace {

uint64_t DrainEventfd(int fd) {
  uint64_t count = 0;
  return ::read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

uint16_t LoadAcquire(uint16_t* field) {
  return std::atomic_ref<uint16_t>(*field).load(std::memory_order_acquire);
}
void StoreRelease(uint16_t* field, uint16_t value) {
  std::atomic_ref<uint16_t>(*field).store(value, std::memory_order_release);
}
void FullBarrier() { std::atomic_thread_fence(std::memory_order_seq_cst); }

virtq_desc Describe(const Buffer& buffer, uint16_t next, bool more) {
  virtq_desc desc{};
  desc.addr = buffer.addr;
  desc.len = buffer.size;
  desc.flags = static_cast<uint16_t>((buffer.device_writes ? VIRTQ_DESC_F_WRITE : 0) |
                                     (more ? VIRTQ_DESC_F_NEXT : 0));
  desc.next = more ? next : uint16_t{0};
  return desc;
}

}  // namespace

absl::StatusOr<SplitQueue> SplitQueue::Create(GuestRam* ram, const Options& options) {
  SplitQueue queue;
  queue.options_ = options;
  queue.ram_ = ram;
  const size_t size = options.size;
  queue.desc_addr_ = ram->Allocate(size * sizeof(virtq_desc), 4096);
  queue.avail_addr_ = ram->Allocate((3 + size) * 2, 16);
  queue.used_addr_ = ram->Allocate(6 + size * sizeof(virtq_used_elem), 4096);
  queue.tables_addr_ = ram->Allocate(size * kTableEntries * sizeof(virtq_desc), 4096);
  queue.kick_.Reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  queue.call_.Reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  queue.error_.Reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!queue.error_.valid()) return ErrnoStatus(errno, "create eventfds");
  queue.Reset();
  return queue;
}

void SplitQueue::Reset() {
  const size_t size = options_.size;
  std::memset(ram_->At(desc_addr_, size * sizeof(virtq_desc)).data(), 0, size * sizeof(virtq_desc));
  std::memset(AvailField(0), 0, (3 + size) * 2);
  const size_t used_bytes = 6 + size * sizeof(virtq_used_elem);
  std::memset(ram_->At(used_addr_, used_bytes).data(), 0, used_bytes);
  free_.clear();
  for (uint16_t i = options_.size; i > 0; --i) free_.push_back(static_cast<uint16_t>(i - 1));
  next_avail_ = published_ = last_used_ = 0;
}

uint16_t* SplitQueue::AvailField(size_t index) const {
  return reinterpret_cast<uint16_t*>(ram_->At(avail_addr_ + index * 2, 2).data());
}

virtq_used* SplitQueue::used() const {
  return reinterpret_cast<virtq_used*>(ram_->At(used_addr_, sizeof(virtq_used)).data());
}

virtq_desc& SplitQueue::descriptor(uint16_t index) const {
  return *reinterpret_cast<virtq_desc*>(
      ram_->At(desc_addr_ + index * sizeof(virtq_desc), sizeof(virtq_desc)).data());
}

uint16_t SplitQueue::used_index() const { return LoadAcquire(&used()->idx); }

uint16_t SplitQueue::AvailEvent() const {
  const uint64_t addr = used_addr_ + 4 + options_.size * sizeof(virtq_used_elem);
  return LoadAcquire(reinterpret_cast<uint16_t*>(ram_->At(addr, 2).data()));
}

std::optional<uint16_t> SplitQueue::AddDirect(std::span<const Buffer> buffers) {
  if (free_.size() < buffers.size()) return std::nullopt;
  std::vector<uint16_t> taken(free_.end() - static_cast<ptrdiff_t>(buffers.size()), free_.end());
  free_.resize(free_.size() - buffers.size());
  for (size_t i = 0; i < buffers.size(); ++i) {
    const bool more = i + 1 < buffers.size();
    descriptor(taken[i]) = Describe(buffers[i], more ? taken[i + 1] : uint16_t{0}, more);
  }
  return taken[0];
}

uint16_t SplitQueue::AddIndirect(std::span<const Buffer> buffers) {
  const uint16_t head = free_.back();
  free_.pop_back();
  const uint64_t table = tables_addr_ + uint64_t{head} * kTableEntries * sizeof(virtq_desc);
  const uint32_t table_bytes = static_cast<uint32_t>(buffers.size() * sizeof(virtq_desc));
  auto* entries = reinterpret_cast<virtq_desc*>(ram_->At(table, table_bytes).data());
  for (size_t i = 0; i < buffers.size(); ++i) {
    entries[i] = Describe(buffers[i], static_cast<uint16_t>(i + 1), i + 1 < buffers.size());
  }
  descriptor(head) = {table, table_bytes, VIRTQ_DESC_F_INDIRECT, 0};
  return head;
}

std::optional<uint16_t> SplitQueue::Add(std::span<const Buffer> buffers) {
  if (free_.empty()) return std::nullopt;
  std::optional<uint16_t> head;
  if (options_.indirect && buffers.size() > 1 && buffers.size() <= kTableEntries) {
    head = AddIndirect(buffers);
  } else {
    head = AddDirect(buffers);
  }
  if (!head) return std::nullopt;
  StoreRelease(AvailField(2 + next_avail_ % options_.size), *head);
  ++next_avail_;
  return head;
}

void SplitQueue::Publish() {
  if (published_ == next_avail_) return;
  StoreRelease(AvailField(1), next_avail_);
  FullBarrier();
  const uint16_t before = published_;
  published_ = next_avail_;
  const bool wanted = options_.event_idx
                          ? NeedsEvent(AvailEvent(), next_avail_, before)
                          : (LoadAcquire(&used()->flags) & VIRTQ_USED_F_NO_NOTIFY) == 0;
  if (wanted) Kick();
}

void SplitQueue::PublishHead(uint16_t head) {
  StoreRelease(AvailField(2 + next_avail_ % options_.size), head);
  SetAvailIndex(static_cast<uint16_t>(next_avail_ + 1));
  Kick();
}

void SplitQueue::SetAvailIndex(uint16_t index) {
  next_avail_ = published_ = index;
  StoreRelease(AvailField(1), index);
}

void SplitQueue::Kick() {
  const uint64_t one = 1;
  RC_CHECK(::write(kick_.get(), &one, sizeof(one)) == sizeof(one), "an eventfd takes a kick");
  ++kicks_;
}

void SplitQueue::Free(uint16_t head) {
  if (head >= options_.size) return;  // a device that makes heads up gets nothing back
  uint16_t index = head;
  while (true) {
    const virtq_desc desc = descriptor(index);
    free_.push_back(index);
    const bool more =
        (desc.flags & (VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_INDIRECT)) == VIRTQ_DESC_F_NEXT;
    if (!more || free_.size() >= options_.size || desc.next >= options_.size) return;
    index = desc.next;
  }
}

std::optional<UsedElement> SplitQueue::Take() {
  if (!HasUsed()) return std::nullopt;
  const uint64_t addr = used_addr_ + 4 + (last_used_ % options_.size) * sizeof(virtq_used_elem);
  virtq_used_elem element;
  std::memcpy(&element, ram_->At(addr, sizeof(element)).data(), sizeof(element));
  ++last_used_;
  const auto head = static_cast<uint16_t>(element.id);
  Free(head);
  return UsedElement{head, element.len};
}

bool SplitQueue::WaitUsed(std::chrono::milliseconds timeout) {
  if (HasUsed()) return true;
  StoreRelease(UsedEventField(), last_used_);
  FullBarrier();
  const auto end = std::chrono::steady_clock::now() + timeout;
  while (!HasUsed()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    if (left.count() < 0) return false;
    pollfd poll{call_.get(), POLLIN, 0};
    if (::poll(&poll, 1, static_cast<int>(left.count())) > 0) {
      notifications_ += DrainEventfd(call_.get());
    }
  }
  return true;
}

uint64_t SplitQueue::notifications() {
  notifications_ += DrainEventfd(call_.get());
  return notifications_;
}

bool SplitQueue::TakeError() { return DrainEventfd(error_.get()) != 0; }

}  // namespace rendercar::frontend
