// What the two processes write into their rings: command records (device to renderer) and
// completion records (back).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <type_traits>
#include <variant>
#include <vector>

#include "backend/gpu/renderer.h"
#include "common/status.h"

namespace rendercar::ipc {

// Both programs come from one build; the number tells of a mix-up.
inline constexpr uint64_t kProtocolMagic = 0x5243'5249'4e47'0001;  // "RCRING", version 1

enum class RecordType : uint16_t {
  kCreateContext = 1,
  kDestroyContext,
  kAttachResource,
  kDetachResource,
  kCreateResource3d,
  kUnrefResource,
  kAttachBacking,
  kDetachBacking,
  kTransfer,
  kSubmit3d,
  kReadPixels,
  kUseMemory,   // the memory table of that generation, which the control socket brought
  kUsePixels,   // the shared pixels of that id, which the control socket brought
  kDropPixels,  // forget them
  kCreateBlob,
  kExportScanout,
};

// Records start at multiples of kRecordAlign; virglrenderer wants its commands aligned to 8.
inline constexpr size_t kRecordAlign = 32;

struct RecordHeader {
  uint32_t size_bytes;  // of the whole record, a multiple of kRecordAlign
  uint16_t type;        // RecordType
  uint8_t completion;   // gpu::Completion
  uint8_t has_ring_idx;
  uint64_t seq;  // counts records from 1; what completions name
  uint32_t timeline_ctx_id;
  uint32_t ring_idx;
  uint32_t body_bytes;  // of the body that follows, before padding
  uint32_t reserved;
};
static_assert(sizeof(RecordHeader) == kRecordAlign);
static_assert(std::has_unique_object_representations_v<RecordHeader>);

// Bodies that are not simply the command's struct.
struct TransferBody {
  uint64_t offset;
  uint32_t direction, ctx_id, resource_id;
  gpu::Box box;
  uint32_t level, stride, layer_stride;
};
static_assert(sizeof(TransferBody) == 56);
struct ReadPixelsBody {
  uint64_t offset_bytes;
  gpu::Box box;
  uint32_t resource_id, pixels_id, stride_bytes, reserved;
};
static_assert(sizeof(ReadPixelsBody) == 48);
struct AttachBackingBody {  // `count` PackedRange follow
  uint32_t resource_id, count;
};
struct CreateBlobBody {  // `count` PackedRange follow
  uint64_t blob_id, size_bytes;
  uint32_t resource_id, ctx_id, blob_mem, blob_flags, count, reserved;
};
static_assert(sizeof(CreateBlobBody) == 40);
struct PackedRange {
  uint32_t addr_low, addr_high, size_bytes;
};
static_assert(sizeof(PackedRange) == 12);
struct Submit3dBody {  // the commands follow
  uint32_t ctx_id, size_bytes;
};
static_assert(sizeof(Submit3dBody) % 8 == 0, "the commands that follow are aligned to 8");

// What the device process itself asks for.
struct UseMemory {
  uint64_t generation;
};
struct UsePixels {
  uint64_t pixels_id;
};
struct DropPixels {
  uint64_t pixels_id;
};

// The bytes that `command` takes in the ring, header and padding included.
size_t RecordSize(const gpu::RenderCommand& command);
// Writes it; `out` has RecordSize bytes. Fills in the header's size and type.
void WriteRecord(std::span<std::byte> out, RecordHeader header, const gpu::RenderCommand& command);

inline constexpr size_t kInternalRecordBytes = 2 * kRecordAlign;
void WriteInternalRecord(std::span<std::byte> out, RecordHeader header, RecordType type,
                         uint64_t value);

// Decodes records in the renderer. Spans of the result point into the record or into the decoder,
// and live until the next call.
class RecordDecoder {
 public:
  struct Record {
    RecordHeader header{};
    std::variant<gpu::RenderCommand, UseMemory, UsePixels, DropPixels> body;
  };
  // The record at the start of `readable`. InvalidArgument when the bytes are none.
  absl::StatusOr<Record> Decode(std::span<const std::byte> readable);

 private:
  absl::Status DecodeBody(std::span<const std::byte> body, Record& record);
  absl::Status DecodeBacking(std::span<const std::byte> body, Record& record);
  absl::Status DecodeBlob(std::span<const std::byte> body, Record& record);
  absl::Status DecodeRanges(std::span<const std::byte> body, uint32_t count, RecordType type);
  absl::Status DecodeSubmit(std::span<const std::byte> body, Record& record);

  std::vector<gpu::GuestRange> ranges_;
  std::span<const std::byte> part_;
};

// Renderer to device.
enum class CompletionKind : uint32_t {
  kReady = 1,     // seq: kProtocolMagic; virglrenderer is up
  kComplete,      // seq: the record's; value: gpu::RenderResult
  kContextError,  // value: the context
  kMemoryInUse,   // seq: the generation
};
struct CompletionRecord {
  uint64_t seq;
  uint32_t kind;
  uint32_t value;
};
static_assert(sizeof(CompletionRecord) == 16);

}  // namespace rendercar::ipc
