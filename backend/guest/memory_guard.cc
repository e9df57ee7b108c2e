// Survives guest memory that goes away under its mapping: SIGBUS becomes pages of zeros and a
// count.
// SPDX-License-Identifier: Apache-2.0
#include "backend/guest/memory_guard.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <utility>

namespace rendercar::guest {
namespace {

// Read by the signal handler without a lock: `begin` is written last when a slot is taken and first
// when it is given back.
struct Slot {
  std::atomic<uintptr_t> begin{0};
  std::atomic<uintptr_t> end{0};
  std::atomic<int> fd{-1};
  std::atomic<uint64_t> file_offset{0};
  std::atomic<size_t> page_bytes{0};
  std::atomic<bool> lost{false};
};

constexpr size_t kMaxRanges = 256;
std::array<Slot, kMaxRanges> slots;
std::atomic<uint64_t> lost_events{0};
std::mutex slots_mutex;
struct sigaction previous_action;

bool ReplaceByZeros(uintptr_t begin, uintptr_t end) {
  void* const at = reinterpret_cast<void*>(begin);
  return ::mmap(at, end - begin, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == at;
}

// Where the zeros start and end: from the file's present end when the fault lies behind it, else
// the one page that cannot be had.
bool ReplaceLost(const Slot& slot, uintptr_t begin, uintptr_t address) {
  const size_t page = slot.page_bytes.load(std::memory_order_relaxed);
  const uintptr_t end = slot.end.load(std::memory_order_relaxed);
  const uintptr_t fault_page = address & ~(uintptr_t{page} - 1);
  uintptr_t from = fault_page;
  uintptr_t to = std::min(end, fault_page + page);
  struct stat info {};
  if (::fstat(slot.fd.load(std::memory_order_relaxed), &info) == 0) {
    const uint64_t offset = slot.file_offset.load(std::memory_order_relaxed);
    const uint64_t size = static_cast<uint64_t>(info.st_size);
    const uintptr_t kept = size > offset ? begin + (size - offset + page - 1) / page * page : begin;
    if (kept <= fault_page) {
      from = kept;
      to = end;
    }
  }
  // A process has a limited number of mappings; at the limit the whole range is given up as one.
  return ReplaceByZeros(from, to) || ReplaceByZeros(begin, end);
}

void OnSigbus(int /*signal*/, siginfo_t* info, void* /*context*/) {
  const int saved_errno = errno;
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (Slot& slot : slots) {
    const uintptr_t begin = slot.begin.load(std::memory_order_acquire);
    if (begin == 0 || address < begin || address >= slot.end.load(std::memory_order_relaxed))
      continue;
    if (!ReplaceLost(slot, begin, address)) break;
    slot.lost.store(true, std::memory_order_release);
    lost_events.fetch_add(1, std::memory_order_relaxed);
    errno = saved_errno;
    return;
  }
  // Not ours: the access happens again and finds the handler that was there before.
  ::sigaction(SIGBUS, &previous_action, nullptr);
  errno = saved_errno;
}

void InstallHandler() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_sigaction = OnSigbus;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigemptyset(&action.sa_mask);
    ::sigaction(SIGBUS, &action, &previous_action);
  });
}

}  // namespace

absl::StatusOr<GuardedRange> GuardedRange::Create(std::span<std::byte> bytes, int fd,
                                                  uint64_t file_offset, size_t page_bytes) {
  InstallHandler();
  const std::lock_guard lock(slots_mutex);
  for (size_t i = 0; i < slots.size(); ++i) {
    Slot& slot = slots[i];
    if (slot.begin.load(std::memory_order_relaxed) != 0) continue;
    const auto begin = reinterpret_cast<uintptr_t>(bytes.data());
    slot.end.store(begin + bytes.size(), std::memory_order_relaxed);
    slot.fd.store(fd, std::memory_order_relaxed);
    slot.file_offset.store(file_offset, std::memory_order_relaxed);
    slot.page_bytes.store(page_bytes, std::memory_order_relaxed);
    slot.lost.store(false, std::memory_order_relaxed);
    slot.begin.store(begin, std::memory_order_release);
    return GuardedRange(static_cast<int>(i));
  }
  return absl::ResourceExhaustedError("too many regions of guest memory are mapped");
}

GuardedRange::GuardedRange(GuardedRange&& other) noexcept : slot_(std::exchange(other.slot_, -1)) {}

GuardedRange& GuardedRange::operator=(GuardedRange&& other) noexcept {
  if (this != &other) {
    Release();
    slot_ = std::exchange(other.slot_, -1);
  }
  return *this;
}

GuardedRange::~GuardedRange() { Release(); }

void GuardedRange::Release() {
  if (slot_ < 0) return;
  const std::lock_guard lock(slots_mutex);
  slots[static_cast<size_t>(slot_)].begin.store(0, std::memory_order_release);
}

bool GuardedRange::lost() const {
  return slot_ >= 0 && slots[static_cast<size_t>(slot_)].lost.load(std::memory_order_acquire);
}

uint64_t LostMemoryEvents() { return lost_events.load(std::memory_order_relaxed); }

}  // namespace rendercar::guest
