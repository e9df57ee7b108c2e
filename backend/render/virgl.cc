// virglrenderer, behind plain types.
// SPDX-License-Identifier: Apache-2.0
#include "backend/render/virgl.h"

#define VIRGL_RENDERER_UNSTABLE_APIS 1
#include <fcntl.h>
extern "C" {  // the header does not say it itself
#include <virglrenderer.h>
}

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "backend/render/gl_sync.h"
#include "common/log.h"

// virglrenderer's own box; its layout is the wire's (struct virtio_gpu_box) but signed.
struct virgl_box {
  uint32_t x, y, z, w, h, d;
};

namespace rendercar::render {
namespace {

static_assert(sizeof(virgl_box) == sizeof(gpu::Box));

// VIRTIO_GPU_CAPSET_VIRGL and VIRTIO_GPU_CAPSET_VIRGL2
constexpr uint32_t kFlagY0Top = 1;  // VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP
constexpr uint32_t kCapsetVirgl = 1;
constexpr uint32_t kCapsetVirgl2 = 2;

// The one instance's options; virglrenderer keeps pointers into here.
Virgl::Options* g_options = nullptr;
virgl_renderer_callbacks g_callbacks{};

void OnFence(void*, uint32_t fence) { g_options->on_fence(fence); }

// virglrenderer takes ownership of what this returns, and may ask more than once.
int OnGetDrmFd(void*) { return g_options->render_node.Duplicate().Release(); }

// Guests can cause lines at will.
log::RateLimit& LogLimit() {
  static log::RateLimit limit(20);
  return limit;
}

// virglrenderer tells of a context's error only in its log.
void NoticeContextError(const char* line) {
  constexpr std::string_view kMark = "context error reported ";
  const std::string_view text(line);
  const size_t at = text.find(kMark);
  if (at == std::string_view::npos || g_options == nullptr) return;
  const int ctx_id = std::atoi(line + at + kMark.size());
  if (ctx_id > 0) g_options->on_context_error(static_cast<uint32_t>(ctx_id));
}

bool TellsOfTrouble(std::string_view line) {
  for (const std::string_view word :
       {"error", "fail", "illegal", "Illegal", "invalid", "timeout"}) {
    if (line.find(word) != std::string_view::npos) return true;
  }
  return false;
}

void LogLine(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.remove_suffix(1);
  if (line.empty() || !LogLimit().Allow()) return;
  const auto write = TellsOfTrouble(line) ? log::Warning : log::Debug;
  write("virglrenderer", {{"says", line}, {"suppressed", LogLimit().TakeSuppressed()}});
}

#ifdef RENDERCAR_VIRGL_LOG_CALLBACK
void OnLog(virgl_log_level_flags, const char* message, void*) {
  NoticeContextError(message);
  LogLine(message);
}
void SetLog() { virgl_set_log_callback(OnLog, nullptr, nullptr); }
#else
void OnLog(const char* format, va_list arguments) {
  char line[512];
  std::vsnprintf(line, sizeof(line), format, arguments);
  NoticeContextError(line);
  LogLine(line);
}
void SetLog() { virgl_set_debug_callback(OnLog); }
#endif

int Flags(bool has_render_node) {
  int flags = VIRGL_RENDERER_USE_EGL | VIRGL_RENDERER_THREAD_SYNC;
#ifdef VIRGL_RENDERER_ASYNC_FENCE_CB
  flags |= VIRGL_RENDERER_ASYNC_FENCE_CB;
#endif
  if (!has_render_node) flags |= VIRGL_RENDERER_USE_SURFACELESS;
  return flags;
}

// The host's video memory in capset 2 (union virgl_caps of virgl_hw.h, which only grows). A guest
// may use what its session's limit says, and where OpenGL cannot tell, virglrenderer 1.1 leaves the
// field uninitialised: other bytes at each start, and a piece of this process's stack.
void LeaveOutVideoMemory(std::span<std::byte> capset) {
  constexpr size_t kCapabilityBitsV2At = 688;
  constexpr size_t kMaxVideoMemoryAt = 692;
  constexpr uint32_t kVideoMemoryBit = 1U << 1;  // VIRGL_CAP_V2_VIDEO_MEMORY
  if (capset.size() < kMaxVideoMemoryAt + sizeof(uint32_t)) return;
  uint32_t bits = 0;
  std::memcpy(&bits, &capset[kCapabilityBitsV2At], sizeof(bits));
  bits &= ~kVideoMemoryBit;
  std::memcpy(&capset[kCapabilityBitsV2At], &bits, sizeof(bits));
  std::memset(&capset[kMaxVideoMemoryAt], 0, sizeof(uint32_t));
}

// Sets can be known and not reachable: Venus, where nothing of it was brought up.
bool CanMakeContext(uint32_t capset_id) {
  constexpr uint32_t kProbe = 0x7fffffff;
  if (virgl_renderer_context_create_with_flags(kProbe, capset_id, 5, "probe") != 0) return false;
  virgl_renderer_context_destroy(kProbe);
  return true;
}

virgl_box ToVirgl(const gpu::Box& box) { return {box.x, box.y, box.z, box.w, box.h, box.d}; }

}  // namespace

absl::StatusOr<std::unique_ptr<Virgl>> Virgl::Create(Options options) {
  RC_CHECK(g_options == nullptr, "virglrenderer is global: one object a process");
  auto owned = std::make_unique<Options>(std::move(options));
  const bool has_node = owned->render_node.valid();
  g_callbacks = {};
  g_callbacks.version = 2;
  g_callbacks.write_fence = OnFence;
  if (has_node) g_callbacks.get_drm_fd = OnGetDrmFd;
  SetLog();
  g_options = owned.get();
  // The cookie must not be null; nothing is done with it.
  if (virgl_renderer_init(&g_callbacks, Flags(has_node), &g_callbacks) != 0) {
    g_options = nullptr;
    return absl::UnavailableError(
        has_node ? "virglrenderer cannot bring up OpenGL on the render node; check that Mesa has a "
                   "driver for it and that this user may open it"
                 : "virglrenderer cannot bring up OpenGL in software; install Mesa's EGL and "
                   "llvmpipe (libegl-mesa0, libgl1-mesa-dri)");
  }
  static_cast<void>(owned.release());  // until the destructor
  std::unique_ptr<Virgl> virgl(new Virgl());
#ifdef VIRGL_RENDERER_ASYNC_FENCE_CB
  // virglrenderer falls back silently when it has no thread; then there is no poll descriptor.
  virgl->async_ = virgl_renderer_get_poll_fd() >= 0;
#endif
  return virgl;
}

Virgl::~Virgl() {
  virgl_renderer_cleanup(&g_callbacks);
  delete g_options;
  g_options = nullptr;
}

bool Virgl::CreateContext(const gpu::CreateContext& c) {
  const uint32_t capset = c.context_init & VIRGL_RENDERER_CONTEXT_FLAG_CAPSET_ID_MASK;
  if (capset == 0) {
    return virgl_renderer_context_create(c.ctx_id, c.debug_name_len, c.debug_name.data()) == 0;
  }
  return virgl_renderer_context_create_with_flags(c.ctx_id, capset, c.debug_name_len,
                                                  c.debug_name.data()) == 0;
}

void Virgl::DestroyContext(uint32_t ctx_id) { virgl_renderer_context_destroy(ctx_id); }

void Virgl::AttachResource(uint32_t ctx_id, uint32_t resource_id) {
  virgl_renderer_ctx_attach_resource(static_cast<int>(ctx_id), static_cast<int>(resource_id));
}

void Virgl::DetachResource(uint32_t ctx_id, uint32_t resource_id) {
  virgl_renderer_ctx_detach_resource(static_cast<int>(ctx_id), static_cast<int>(resource_id));
}

bool Virgl::CreateResource(const gpu::CreateResource3d& c) {
  virgl_renderer_resource_create_args args{};
  args.handle = c.resource_id;
  args.target = c.target;
  args.format = c.format;
  args.bind = c.bind;
  args.width = c.width;
  args.height = c.height;
  args.depth = c.depth;
  args.array_size = c.array_size;
  args.last_level = c.last_level;
  args.nr_samples = c.nr_samples;
  args.flags = c.flags;
  return virgl_renderer_resource_create(&args, nullptr, 0) == 0;
}

bool Virgl::CreateBlob(const gpu::CreateBlob& c, std::span<iovec> iov) {
  virgl_renderer_resource_create_blob_args args{};
  args.res_handle = c.resource_id;
  args.ctx_id = c.ctx_id;
  args.blob_mem = c.blob_mem;
  args.blob_flags = c.blob_flags;
  args.blob_id = c.blob_id;
  args.size = c.size_bytes;
  args.iovecs = iov.data();
  args.num_iovs = static_cast<uint32_t>(iov.size());
  return virgl_renderer_resource_create_blob(&args) == 0;
}

void Virgl::UnrefResource(uint32_t resource_id) { virgl_renderer_resource_unref(resource_id); }

bool Virgl::AttachBacking(uint32_t resource_id, std::span<iovec> iov) {
  return virgl_renderer_resource_attach_iov(static_cast<int>(resource_id), iov.data(),
                                            static_cast<int>(iov.size())) == 0;
}

void Virgl::DetachBacking(uint32_t resource_id) {
  virgl_renderer_resource_detach_iov(static_cast<int>(resource_id), nullptr, nullptr);
}

bool Virgl::Transfer(const gpu::Transfer& c) {
  virgl_box box = ToVirgl(c.box);
  if (c.direction == gpu::Transfer::Direction::kToHost) {
    return virgl_renderer_transfer_write_iov(c.resource_id, c.ctx_id, static_cast<int>(c.level),
                                             c.stride, c.layer_stride, &box, c.offset, nullptr,
                                             0) == 0;
  }
  return virgl_renderer_transfer_read_iov(c.resource_id, c.ctx_id, c.level, c.stride,
                                          c.layer_stride, &box, c.offset, nullptr, 0) == 0;
}

std::optional<gpu::ExportedBuffer> Virgl::Export(uint32_t resource_id) {
  virgl_renderer_resource_info info{};
  if (virgl_renderer_resource_get_info(static_cast<int>(resource_id), &info) != 0)
    return std::nullopt;
  int fd = -1, stride = 0, offset = 0;
  if (info.drm_fourcc == 0 ||
      virgl_renderer_get_fd_for_texture2(info.tex_id, &fd, &stride, &offset) != 0 || fd < 0)
    return std::nullopt;
  gpu::ExportedBuffer buffer;
  buffer.fd = UniqueFd(fd);
  buffer.width = info.width;
  buffer.height = info.height;
  buffer.stride_bytes = static_cast<uint32_t>(stride);
  buffer.offset_bytes = static_cast<uint32_t>(offset);
  buffer.fourcc = static_cast<uint32_t>(info.drm_fourcc);
  buffer.y_0_top = (info.flags & kFlagY0Top) != 0;
#ifdef RENDERCAR_VIRGL_LOG_CALLBACK  // as old as the call that knows modifiers
  virgl_renderer_resource_info_ext extended{};
  if (virgl_renderer_resource_get_info_ext(static_cast<int>(resource_id), &extended) == 0)
    buffer.modifier = extended.modifiers;
#endif
  return buffer;
}

bool Virgl::ReadBack(uint32_t resource_id, const gpu::Box& box, uint32_t stride_bytes,
                     std::span<std::byte> out) {
  virgl_box area = ToVirgl(box);
  iovec iov{out.data(), out.size()};
  virgl_renderer_force_ctx_0();
  return virgl_renderer_transfer_read_iov(resource_id, 0, 0, stride_bytes, 0, &area, 0, &iov, 1) ==
         0;
}

bool Virgl::Submit(uint32_t ctx_id, std::span<const std::byte> commands) {
  // The interface lacks a const; virglrenderer only reads.
  auto* words = const_cast<std::byte*>(commands.data());
  return virgl_renderer_submit_cmd(words, static_cast<int>(ctx_id),
                                   static_cast<int>(commands.size() / 4)) == 0;
}

bool Virgl::CreateFence(uint32_t fence) {
  return virgl_renderer_create_fence(static_cast<int>(fence), 0) == 0;
}

void Virgl::Poll() { virgl_renderer_poll(); }

int Virgl::poll_fd() const { return virgl_renderer_get_poll_fd(); }

gpu::RendererCapabilities Virgl::Capabilities() const {
  gpu::RendererCapabilities capabilities;
  capabilities.gl_renderer = CurrentGlRenderer();
  // Every set that virtio can name; virglrenderer says which of them it has.
  for (uint32_t id = 1; id <= VIRGL_RENDERER_CONTEXT_FLAG_CAPSET_ID_MASK; ++id) {
    uint32_t version = 0;
    uint32_t size = 0;
    virgl_renderer_get_cap_set(id, &version, &size);
    const bool is_virgl = id == kCapsetVirgl || id == kCapsetVirgl2;
    if (size == 0 || (!is_virgl && !CanMakeContext(id))) continue;
    gpu::Capset capset{id, version, std::vector<std::byte>(size)};
    virgl_renderer_fill_caps(id, version, capset.data.data());
    if (id == kCapsetVirgl2) LeaveOutVideoMemory(capset.data);
    capabilities.capsets.push_back(std::move(capset));
  }
  return capabilities;
}

std::string Virgl::Version() { return RENDERCAR_VIRGL_VERSION; }

}  // namespace rendercar::render
