// What the two processes write into their rings: command records (device to renderer) and
// completion records (back).
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/records.h"

#include <cstring>

namespace rendercar::ipc {
namespace {

// Commands whose struct is their body. None has padding, so no stray bytes of ours get out.
template <typename T>
inline constexpr RecordType kTypeOf = RecordType{};
template <>
inline constexpr RecordType kTypeOf<gpu::CreateContext> = RecordType::kCreateContext;
template <>
inline constexpr RecordType kTypeOf<gpu::DestroyContext> = RecordType::kDestroyContext;
template <>
inline constexpr RecordType kTypeOf<gpu::AttachResource> = RecordType::kAttachResource;
template <>
inline constexpr RecordType kTypeOf<gpu::DetachResource> = RecordType::kDetachResource;
template <>
inline constexpr RecordType kTypeOf<gpu::CreateResource3d> = RecordType::kCreateResource3d;
template <>
inline constexpr RecordType kTypeOf<gpu::UnrefResource> = RecordType::kUnrefResource;
template <>
inline constexpr RecordType kTypeOf<gpu::ExportScanout> = RecordType::kExportScanout;
template <>
inline constexpr RecordType kTypeOf<gpu::DetachBacking> = RecordType::kDetachBacking;

static_assert(sizeof(gpu::CreateContext) == 76 && sizeof(gpu::CreateResource3d) == 44);
static_assert(sizeof(gpu::DestroyContext) == 4 && sizeof(gpu::AttachResource) == 8 &&
              sizeof(gpu::DetachResource) == 8 && sizeof(gpu::UnrefResource) == 4 &&
              sizeof(gpu::DetachBacking) == 4 && sizeof(gpu::ExportScanout) == 4);

size_t Padded(size_t body_bytes) {
  return (sizeof(RecordHeader) + body_bytes + kRecordAlign - 1) / kRecordAlign * kRecordAlign;
}

struct BodySizer {
  size_t operator()(const gpu::AttachBacking& c) const {
    return sizeof(AttachBackingBody) + c.ranges.size() * sizeof(PackedRange);
  }
  size_t operator()(const gpu::CreateBlob& c) const {
    return sizeof(CreateBlobBody) + c.ranges.size() * sizeof(PackedRange);
  }
  size_t operator()(const gpu::Transfer&) const { return sizeof(TransferBody); }
  size_t operator()(const gpu::Submit3d& c) const { return sizeof(Submit3dBody) + c.size_bytes; }
  size_t operator()(const gpu::ReadPixels&) const { return sizeof(ReadPixelsBody); }
  template <typename T>
  size_t operator()(const T&) const {
    static_assert(std::has_unique_object_representations_v<T>);
    return sizeof(T);
  }
};

size_t BodySize(const gpu::RenderCommand& command) { return std::visit(BodySizer{}, command); }

template <typename T>
void Put(std::span<std::byte>& out, const T& value) {
  static_assert(std::has_unique_object_representations_v<T>);
  std::memcpy(out.data(), &value, sizeof(T));
  out = out.subspan(sizeof(T));
}

// Writes the body at the front of `out` and returns the record's type.
struct BodyWriter {
  std::span<std::byte> out;

  RecordType operator()(const gpu::AttachBacking& c) {
    Put(out, AttachBackingBody{c.resource_id, static_cast<uint32_t>(c.ranges.size())});
    PutRanges(c.ranges);
    return RecordType::kAttachBacking;
  }
  RecordType operator()(const gpu::CreateBlob& c) {
    Put(out, CreateBlobBody{c.blob_id, c.size_bytes, c.resource_id, c.ctx_id, c.blob_mem,
                            c.blob_flags, static_cast<uint32_t>(c.ranges.size()), 0});
    PutRanges(c.ranges);
    return RecordType::kCreateBlob;
  }
  void PutRanges(std::span<const gpu::GuestRange> ranges) {
    for (const gpu::GuestRange& range : ranges) {
      Put(out, PackedRange{static_cast<uint32_t>(range.guest_addr),
                           static_cast<uint32_t>(range.guest_addr >> 32), range.size_bytes});
    }
  }
  RecordType operator()(const gpu::Transfer& c) {
    Put(out, TransferBody{c.offset, static_cast<uint32_t>(c.direction), c.ctx_id, c.resource_id,
                          c.box, c.level, c.stride, c.layer_stride});
    return RecordType::kTransfer;
  }
  RecordType operator()(const gpu::Submit3d& c) {
    Put(out, Submit3dBody{c.ctx_id, c.size_bytes});
    for (const std::span<const std::byte> part : c.parts) {
      const size_t size = std::min(part.size(), out.size());
      std::memcpy(out.data(), part.data(), size);
      out = out.subspan(size);
    }
    return RecordType::kSubmit3d;
  }
  RecordType operator()(const gpu::ReadPixels& c) {
    Put(out, ReadPixelsBody{c.offset_bytes, c.box, c.resource_id, c.pixels_id, c.stride_bytes, 0});
    return RecordType::kReadPixels;
  }
  template <typename T>
  RecordType operator()(const T& c) {
    Put(out, c);
    return kTypeOf<T>;
  }
};

absl::Status Short(RecordType type) {
  return absl::InvalidArgumentError(
      absl::StrCat("a record of type ", static_cast<uint32_t>(type), " has a wrong size"));
}

template <typename T>
absl::Status Get(std::span<const std::byte> body, RecordType type, T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (body.size() != sizeof(T)) return Short(type);
  std::memcpy(static_cast<void*>(&value), body.data(), sizeof(T));
  return absl::OkStatus();
}

template <typename T>
absl::Status GetCommand(std::span<const std::byte> body, RecordDecoder::Record& record) {
  T command;
  RC_RETURN_IF_ERROR(Get(body, kTypeOf<T>, command));
  record.body = gpu::RenderCommand(command);
  return absl::OkStatus();
}

template <typename T>
absl::Status GetInternal(std::span<const std::byte> body, RecordType type,
                         RecordDecoder::Record& record) {
  T internal{};
  RC_RETURN_IF_ERROR(Get(body, type, internal));
  record.body = internal;
  return absl::OkStatus();
}

absl::Status GetTransfer(std::span<const std::byte> body, RecordDecoder::Record& record) {
  TransferBody b{};
  RC_RETURN_IF_ERROR(Get(body, RecordType::kTransfer, b));
  if (b.direction > static_cast<uint32_t>(gpu::Transfer::Direction::kFromHost)) {
    return absl::InvalidArgumentError("a transfer goes in no direction");
  }
  gpu::Transfer c;
  c.direction = static_cast<gpu::Transfer::Direction>(b.direction);
  c.ctx_id = b.ctx_id;
  c.resource_id = b.resource_id;
  c.box = b.box;
  c.offset = b.offset;
  c.level = b.level;
  c.stride = b.stride;
  c.layer_stride = b.layer_stride;
  record.body = gpu::RenderCommand(c);
  return absl::OkStatus();
}

absl::Status GetReadPixels(std::span<const std::byte> body, RecordDecoder::Record& record) {
  ReadPixelsBody b{};
  RC_RETURN_IF_ERROR(Get(body, RecordType::kReadPixels, b));
  gpu::ReadPixels c;
  c.resource_id = b.resource_id;
  c.box = b.box;
  c.pixels_id = b.pixels_id;
  c.offset_bytes = b.offset_bytes;
  c.stride_bytes = b.stride_bytes;
  record.body = gpu::RenderCommand(c);
  return absl::OkStatus();
}

}  // namespace

size_t RecordSize(const gpu::RenderCommand& command) { return Padded(BodySize(command)); }

void WriteRecord(std::span<std::byte> out, RecordHeader header, const gpu::RenderCommand& command) {
  header.size_bytes = static_cast<uint32_t>(out.size());
  header.body_bytes = static_cast<uint32_t>(BodySize(command));
  BodyWriter writer{out.subspan(sizeof(header))};
  header.type = static_cast<uint16_t>(std::visit(writer, command));
  Put(out, header);
}

void WriteInternalRecord(std::span<std::byte> out, RecordHeader header, RecordType type,
                         uint64_t value) {
  header.size_bytes = static_cast<uint32_t>(kInternalRecordBytes);
  header.body_bytes = sizeof(value);
  header.type = static_cast<uint16_t>(type);
  Put(out, header);
  Put(out, value);
}

absl::StatusOr<RecordDecoder::Record> RecordDecoder::Decode(std::span<const std::byte> readable) {
  Record record;
  if (readable.size() < sizeof(RecordHeader)) {
    return absl::InvalidArgumentError("less than a record's header can be read");
  }
  std::memcpy(&record.header, readable.data(), sizeof(RecordHeader));
  const RecordHeader& header = record.header;
  if (header.size_bytes % kRecordAlign != 0 || header.size_bytes < sizeof(RecordHeader) ||
      header.size_bytes > readable.size() ||
      header.body_bytes > header.size_bytes - sizeof(RecordHeader)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a record claims ", header.size_bytes, " bytes, body ", header.body_bytes));
  }
  if (header.completion > static_cast<uint8_t>(gpu::Completion::kFenced)) {
    return absl::InvalidArgumentError("a record wants an unknown completion");
  }
  RC_RETURN_IF_ERROR(DecodeBody(readable.subspan(sizeof(RecordHeader), header.body_bytes), record));
  return record;
}

absl::Status RecordDecoder::DecodeBody(std::span<const std::byte> body, Record& record) {
  const auto type = static_cast<RecordType>(record.header.type);
  switch (type) {
    case RecordType::kCreateContext: {
      gpu::CreateContext c;
      RC_RETURN_IF_ERROR(Get(body, type, c));
      if (c.debug_name_len > c.debug_name.size()) return Short(type);
      record.body = gpu::RenderCommand(c);
      return absl::OkStatus();
    }
    case RecordType::kDestroyContext:
      return GetCommand<gpu::DestroyContext>(body, record);
    case RecordType::kAttachResource:
      return GetCommand<gpu::AttachResource>(body, record);
    case RecordType::kDetachResource:
      return GetCommand<gpu::DetachResource>(body, record);
    case RecordType::kCreateResource3d:
      return GetCommand<gpu::CreateResource3d>(body, record);
    case RecordType::kUnrefResource:
      return GetCommand<gpu::UnrefResource>(body, record);
    case RecordType::kExportScanout:
      return GetCommand<gpu::ExportScanout>(body, record);
    case RecordType::kDetachBacking:
      return GetCommand<gpu::DetachBacking>(body, record);
    case RecordType::kAttachBacking:
      return DecodeBacking(body, record);
    case RecordType::kCreateBlob:
      return DecodeBlob(body, record);
    case RecordType::kTransfer:
      return GetTransfer(body, record);
    case RecordType::kSubmit3d:
      return DecodeSubmit(body, record);
    case RecordType::kReadPixels:
      return GetReadPixels(body, record);
    case RecordType::kUseMemory:
      return GetInternal<UseMemory>(body, type, record);
    case RecordType::kUsePixels:
      return GetInternal<UsePixels>(body, type, record);
    case RecordType::kDropPixels:
      return GetInternal<DropPixels>(body, type, record);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("a record has the unknown type ", record.header.type));
}

absl::Status RecordDecoder::DecodeBacking(std::span<const std::byte> body, Record& record) {
  AttachBackingBody b{};
  if (body.size() < sizeof(b)) return Short(RecordType::kAttachBacking);
  std::memcpy(&b, body.data(), sizeof(b));
  RC_RETURN_IF_ERROR(DecodeRanges(body.subspan(sizeof(b)), b.count, RecordType::kAttachBacking));
  record.body = gpu::RenderCommand(gpu::AttachBacking{b.resource_id, ranges_});
  return absl::OkStatus();
}

absl::Status RecordDecoder::DecodeBlob(std::span<const std::byte> body, Record& record) {
  CreateBlobBody b{};
  if (body.size() < sizeof(b)) return Short(RecordType::kCreateBlob);
  std::memcpy(&b, body.data(), sizeof(b));
  RC_RETURN_IF_ERROR(DecodeRanges(body.subspan(sizeof(b)), b.count, RecordType::kCreateBlob));
  record.body = gpu::RenderCommand(gpu::CreateBlob{b.resource_id, b.ctx_id, b.blob_mem,
                                                   b.blob_flags, b.blob_id, b.size_bytes, ranges_});
  return absl::OkStatus();
}

absl::Status RecordDecoder::DecodeRanges(std::span<const std::byte> body, uint32_t count,
                                         RecordType type) {
  if (body.size() % sizeof(PackedRange) != 0 || body.size() / sizeof(PackedRange) != count) {
    return Short(type);
  }
  ranges_.clear();
  ranges_.reserve(count);
  for (; !body.empty(); body = body.subspan(sizeof(PackedRange))) {
    PackedRange range{};
    std::memcpy(&range, body.data(), sizeof(range));
    ranges_.push_back({(uint64_t{range.addr_high} << 32) | range.addr_low, range.size_bytes});
  }
  return absl::OkStatus();
}

absl::Status RecordDecoder::DecodeSubmit(std::span<const std::byte> body, Record& record) {
  Submit3dBody b{};
  if (body.size() < sizeof(b)) return Short(RecordType::kSubmit3d);
  std::memcpy(&b, body.data(), sizeof(b));
  part_ = body.subspan(sizeof(b));
  if (part_.size() != b.size_bytes || b.size_bytes % 4 != 0) return Short(RecordType::kSubmit3d);
  record.body = gpu::RenderCommand(gpu::Submit3d{b.ctx_id, b.size_bytes, {&part_, 1}});
  return absl::OkStatus();
}

}  // namespace rendercar::ipc
