// The boundary between the virtio-gpu device and whatever executes its 3D commands: one interface,
// three implementations (a renderer process, the same code in-process, and none).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "backend/guest/guest_memory.h"
#include "common/shared_memory.h"
#include "common/status.h"
#include "common/unique_fd.h"

namespace rendercar::gpu {

// Where a command's end is ordered: virtio 1.2, 5.7.6.7 ("Device Operation: Request header"),
// INFO_RING_IDX.
struct Timeline {
  uint32_t ctx_id = 0;
  uint8_t ring_idx = 0;
  bool has_ring_idx = false;  // false: the one timeline of the whole device
};

// A stretch of guest memory: guest physical address and length, already checked against the memory
// table in force.
struct GuestRange {
  uint64_t guest_addr = 0;
  uint32_t size_bytes = 0;
};

struct Box {
  uint32_t x = 0, y = 0, z = 0, w = 0, h = 0, d = 0;
};

// The commands. Values are syntactically valid (the device decoded and bounded them); what
// virglrenderer thinks of them comes back as a result. Spans and pointers live until Submit
// returns.
struct CreateContext {
  uint32_t ctx_id = 0;
  uint32_t context_init = 0;  // VIRTIO_GPU_CONTEXT_INIT_*; 0 without F_CONTEXT_INIT
  std::array<char, 64> debug_name{};
  uint32_t debug_name_len = 0;
};
struct DestroyContext {
  uint32_t ctx_id = 0;
};
struct AttachResource {
  uint32_t ctx_id = 0;
  uint32_t resource_id = 0;
};
struct DetachResource {
  uint32_t ctx_id = 0;
  uint32_t resource_id = 0;
};
struct CreateResource3d {
  uint32_t resource_id = 0;
  uint32_t target = 0, format = 0, bind = 0;
  uint32_t width = 0, height = 0, depth = 0, array_size = 0, last_level = 0, nr_samples = 0,
           flags = 0;
};
// virtio 1.2, 5.7.6.8 ("RESOURCE_CREATE_BLOB"): `blob_id` names an object of the context, unless
// the memory is the guest's own.
struct CreateBlob {
  uint32_t resource_id = 0;
  uint32_t ctx_id = 0;
  uint32_t blob_mem = 0;    // VIRTIO_GPU_BLOB_MEM_*
  uint32_t blob_flags = 0;  // VIRTIO_GPU_BLOB_FLAG_*
  uint64_t blob_id = 0;
  uint64_t size_bytes = 0;
  std::span<const GuestRange> ranges;
};
struct UnrefResource {
  uint32_t resource_id = 0;
};
struct AttachBacking {
  uint32_t resource_id = 0;
  std::span<const GuestRange> ranges;
};
struct DetachBacking {
  uint32_t resource_id = 0;
};
struct Transfer {
  enum class Direction : uint32_t { kToHost, kFromHost };
  Direction direction = Direction::kToHost;
  uint32_t ctx_id = 0;
  uint32_t resource_id = 0;
  Box box;
  uint64_t offset = 0;
  uint32_t level = 0, stride = 0, layer_stride = 0;
};
struct Submit3d {
  uint32_t ctx_id = 0;
  uint32_t size_bytes = 0;                            // of all parts together; a multiple of 4
  std::span<const std::span<const std::byte>> parts;  // guest bytes: copied exactly once, by Submit
};
// Reads pixels of level 0 back into shared pixels (for scanouts), as 4 bytes a pixel in the
// resource's own format, top row first as the guest sees it.
struct ReadPixels {
  uint32_t resource_id = 0;
  Box box;                    // z 0, d 1
  uint32_t pixels_id = 0;     // SharedPixels::id()
  uint64_t offset_bytes = 0;  // of the box's first pixel
  uint32_t stride_bytes = 0;
};
// Hands out the memory of a resource, for a display that can show it without a copy; completes with
// kRefused where the renderer cannot.
struct ExportScanout {
  uint32_t resource_id = 0;
};
using RenderCommand = std::variant<CreateContext, DestroyContext, AttachResource, DetachResource,
                                   CreateResource3d, UnrefResource, AttachBacking, DetachBacking,
                                   Transfer, Submit3d, ReadPixels, CreateBlob, ExportScanout>;

// When a command's completion is told.
enum class Completion : uint32_t {
  kNone,      // never (a failure still comes by OnContextError or OnRendererDied)
  kExecuted,  // when the renderer has carried it out or refused it
  kFenced,    // when, besides, all GPU work before it on its timeline has finished
};

enum class RenderResult : uint32_t {
  kOk,
  kRefused,  // virglrenderer refused it (a wrong parameter)
  kNoMemory,
  kRendererDied,  // it was in flight when the renderer died
};

// Why a renderer is gone.
struct RendererDeath {
  enum class Kind : uint32_t { kExited, kSignaled, kHung, kProtocol, kStartFailed };
  Kind kind = Kind::kExited;
  int code = 0;
  std::string reason;          // one sentence
  uint32_t guilty_ctx_id = 0;  // the context whose command it was executing; 0: unknown
};

// Pixels that the renderer writes and the device reads: memory of the device process, sealed.
class SharedPixels {
 public:
  virtual ~SharedPixels() = default;
  virtual uint32_t id() const = 0;
  // Written by the renderer at any time: a hostile one may do so while they are read.
  virtual std::span<const std::byte> bytes() const = 0;
};

// A picture in GPU memory (a dmabuf), as DRM describes it.
struct ExportedBuffer {
  static constexpr uint64_t kNoModifier = 0x00ffffffffffffff;  // DRM_FORMAT_MOD_INVALID

  UniqueFd fd;
  uint32_t width = 0, height = 0, stride_bytes = 0, offset_bytes = 0;
  uint32_t fourcc = 0;  // DRM_FORMAT_*
  uint64_t modifier = kNoModifier;
  bool y_0_top = false;  // the first row is the topmost
};

// What a guest's commands did to earlier renderers, for the renderer of a successor process.
struct RendererHistory {
  uint32_t failovers = 0;  // times that 3D moved to another render node
  uint32_t deaths_in_a_row = 0;
  std::vector<uint64_t> blamed_ms_ago;  // deaths that the guest is held to account for
  bool off = false;
  bool off_for_deaths = false;
  std::string off_reason;
};

// Called on the device's work thread, never from inside a call to Renderer (but for Quiesce and
// Reset).
class RendererClient {
 public:
  virtual ~RendererClient() = default;
  // The command submitted with `token` is complete in the sense of its Completion. Completions come
  // in no promised order among timelines; on one timeline kFenced ones come in order. A token never
  // completes twice, whatever a hostile renderer writes.
  virtual void OnComplete(uint64_t token, RenderResult result) = 0;
  // What an ExportScanout handed out; its OnComplete with kOk follows. The values come from the
  // renderer and are only within bounds; the descriptor's memory cannot shrink.
  virtual void OnExported(uint64_t token, std::shared_ptr<const ExportedBuffer> buffer) = 0;
  // virglrenderer put the context into its error state: its later commands do nothing.
  virtual void OnContextError(uint32_t ctx_id) = 0;
  // The renderer is gone; every token in flight was completed with kRendererDied just before.
  // Everything it held is lost.
  virtual void OnRendererDied(const RendererDeath& death) = 0;
  // Room for more commands after Submit had answered ResourceExhausted.
  virtual void OnWritable() = 0;
};

// Calls are made on the work thread and never block, except where said.
class Renderer {
 public:
  virtual ~Renderer() = default;

  // Must be called before anything else; `client` outlives the renderer.
  virtual void SetClient(RendererClient* client) = 0;

  // Starts one if none runs; a started renderer is empty: no contexts, no resources. Unavailable,
  // in words, when it cannot be started now (back-off, turned off after repeated deaths, no
  // executable). Comes back at once: commands may follow directly.
  virtual absl::Status Start() = 0;
  virtual bool running() const = 0;
  // Whether it keeps a processor of its own busy for a while after each command, looking for the
  // next one; who else looks like that takes it from the guest where there are only two.
  virtual bool looks_for_commands() const { return false; }
  // Start will not succeed any more before a Reset, whatever is waited for: a guest's commands
  // ended too many renderers, or none can do what was offered. The only place where deaths count.
  virtual bool off() const = 0;
  // Whether it works on something that was handed over; one that works inside Submit never does.
  virtual bool busy() { return false; }

  // Memory that later commands' guest ranges refer to. Blocks at most 100 ms for a running
  // renderer's acknowledgement, then kills it.
  virtual void SetMemory(std::shared_ptr<const guest::GuestMemory> memory) = 0;

  // Shared pixels of `size_bytes`; released by dropping them.
  virtual absl::StatusOr<std::unique_ptr<SharedPixels>> AllocatePixels(size_t size_bytes) = 0;

  // Hands over one command. `token` is the caller's, unique among those in flight.
  // ResourceExhausted: no room now, nothing was taken, OnWritable follows. Unavailable: no renderer
  // runs. InvalidArgument: larger than any room there can be.
  virtual absl::Status Submit(const RenderCommand& command, Completion completion,
                              const Timeline& timeline, uint64_t token) = 0;
  // Commands handed over since the last Flush may wait for it (one wake-up for a batch).
  virtual void Flush() = 0;

  // Driver reset: what is in flight completes with kRendererDied before it returns, without
  // OnRendererDied; afterwards the renderer is empty, or not running. The next guest may get
  // another chance where the last one has used up its own.
  virtual void Reset() = 0;

  // Blocks until everything in flight is complete, at most `timeout_ms` (then the renderer is
  // killed and what is in flight completes with kRendererDied). Completions are delivered before it
  // returns.
  virtual void Quiesce(int timeout_ms) = 0;

  // For a successor process, and in it before anything is started.
  virtual RendererHistory history() const { return {}; }
  virtual void Remember(const RendererHistory&) {}
};

// What a probe in the same image, uid and sandbox found that the renderer can do.
struct Capset {
  uint32_t id = 0;  // VIRTIO_GPU_CAPSET_VIRGL (1), VIRTIO_GPU_CAPSET_VIRGL2 (2), ...
  uint32_t max_version = 0;
  std::vector<std::byte> data;  // of max_version
};
struct RendererCapabilities {
  std::vector<Capset> capsets;  // empty: no 3D
  std::string gl_renderer;      // GL_RENDERER of the host, for people
};

}  // namespace rendercar::gpu
