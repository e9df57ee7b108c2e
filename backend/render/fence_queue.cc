// Which fenced commands still wait for the GPU.
// SPDX-License-Identifier: Apache-2.0
#include "backend/render/fence_queue.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "backend/render/gl_sync.h"

namespace rendercar::render {
namespace {

constexpr std::chrono::microseconds kSlice{25};

}  // namespace

FenceQueue::FenceQueue() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  RC_CHECK(wake_.valid(), "a fence queue needs a descriptor; raise the open-files limit");
}

void FenceQueue::OnFence(uint32_t fence) {
  signaled_.store(fence, std::memory_order_release);
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof(one));
}

void FenceQueue::ClearWake() {
  uint64_t ignored = 0;
  [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &ignored, sizeof(ignored));
}

bool FenceQueue::Done(const Sealed& sealed) const {
  if (sealed.fence == 0) return true;
  // Around 2^32: not behind what is signaled.
  const uint32_t ahead = sealed.fence - signaled_.load(std::memory_order_acquire);
  return ahead == 0 || ahead > uint32_t{1} << 31;
}

void FenceQueue::Seal(std::chrono::microseconds patience, absl::FunctionRef<bool()> idle) {
  if (open_.empty()) return;
  Sealed sealed;
  sealed.commands.swap(open_);
  bool done = false;
  {
    const GlSync sync = GlSync::Insert();
    const auto until = std::chrono::steady_clock::now() + patience;
    done = sync.valid() && sync.Wait(std::chrono::nanoseconds(0));
    while (!done && sync.valid() && idle() && std::chrono::steady_clock::now() < until)
      done = sync.Wait(kSlice);
  }
  if (!done) {
    if (++last_fence_ == 0) ++last_fence_;
    sealed.fence = last_fence_;
    // A fence that cannot be made (no memory) counts as done: the guest must not wait forever.
    if (!virgl_->CreateFence(sealed.fence)) sealed.fence = 0;
  }
  sealed_.push_back(std::move(sealed));
}

void FenceQueue::Abandon(absl::FunctionRef<void(const Fenced&)> left) {
  for (const Sealed& sealed : sealed_) {
    for (const Fenced& fenced : sealed.commands) left(fenced);
  }
  for (const Fenced& fenced : open_) left(fenced);
  sealed_.clear();
  open_.clear();
}

void FenceQueue::Retire(absl::FunctionRef<void(const Fenced&)> done) {
  if (sealed_.empty()) return;
  // Query results reach guest memory before the fence behind them is told; it also lets
  // virglrenderer's thread go on, which waits for this while queries are pending.
  virgl_->Poll();
  while (!sealed_.empty() && Done(sealed_.front())) {
    for (const Fenced& fenced : sealed_.front().commands) done(fenced);
    sealed_.pop_front();
  }
}

}  // namespace rendercar::render
