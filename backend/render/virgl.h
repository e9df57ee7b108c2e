// virglrenderer, behind plain types: the only file that includes its header is virgl.cc.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "backend/gpu/renderer.h"
#include "common/status.h"
#include "common/unique_fd.h"

namespace rendercar::render {

// virglrenderer has global state: one object a process at a time, one thread (the callbacks are
// called where they say).
class Virgl {
 public:
  struct Options {
    UniqueFd render_node;  // none: surfaceless EGL, which is llvmpipe without a GPU
    // All fences up to this number are signaled. On virglrenderer's own thread when
    // fences_are_async(), else inside Poll.
    std::function<void(uint32_t fence)> on_fence;
    // The context went into its error state; its later commands do nothing. Inside other calls.
    std::function<void(uint32_t ctx_id)> on_context_error;
  };
  // Brings up EGL and GL. Unavailable, in words, when that fails.
  static absl::StatusOr<std::unique_ptr<Virgl>> Create(Options options);
  ~Virgl();
  Virgl(const Virgl&) = delete;
  Virgl& operator=(const Virgl&) = delete;

  // Each answers whether virglrenderer took it.
  bool CreateContext(const gpu::CreateContext& c);
  void DestroyContext(uint32_t ctx_id);
  void AttachResource(uint32_t ctx_id, uint32_t resource_id);
  void DetachResource(uint32_t ctx_id, uint32_t resource_id);
  bool CreateResource(const gpu::CreateResource3d& c);
  // `iov` as for AttachBacking; empty for memory of the host.
  bool CreateBlob(const gpu::CreateBlob& c, std::span<iovec> iov);
  void UnrefResource(uint32_t resource_id);
  // `iov` stays the caller's and must live until DetachBacking or UnrefResource.
  bool AttachBacking(uint32_t resource_id, std::span<iovec> iov);
  void DetachBacking(uint32_t resource_id);
  // Guest backing to host resource or back.
  bool Transfer(const gpu::Transfer& c);
  // The resource's memory as a dmabuf; nullopt where it cannot be had (no GBM, a format that DRM
  // does not name).
  std::optional<gpu::ExportedBuffer> Export(uint32_t resource_id);
  // Level 0 of the resource into `out`, `stride_bytes` a row, in its own format.
  bool ReadBack(uint32_t resource_id, const gpu::Box& box, uint32_t stride_bytes,
                std::span<std::byte> out);
  // `commands` are aligned to 8 and nobody changes them meanwhile.
  bool Submit(uint32_t ctx_id, std::span<const std::byte> commands);

  // Signals `fence` when all that was submitted so far is done.
  bool CreateFence(uint32_t fence);
  bool fences_are_async() const { return async_; }
  // Query results, and fences where they are not asynchronous.
  void Poll();
  // Readable when Poll should be called; -1: nothing to watch.
  int poll_fd() const;

  gpu::RendererCapabilities Capabilities() const;
  // The version that was built against.
  static std::string Version();

 private:
  Virgl() = default;
  bool async_ = false;
};

}  // namespace rendercar::render
