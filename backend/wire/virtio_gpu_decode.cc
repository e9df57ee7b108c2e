// Decoding of virtio-gpu requests.
// SPDX-License-Identifier: Apache-2.0
#include "backend/wire/virtio_gpu_decode.h"

#include <cstring>
#include <type_traits>

namespace rendercar::wire {
namespace {

// Bounded reading of the private copy.
struct Reader {
  std::span<const std::byte> prefix;
  size_t total_bytes;

  template <typename T>
  bool Read(T& out) const {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= kMaxFixedBytes);
    if (prefix.size() < sizeof(T) || total_bytes < sizeof(T)) return false;
    std::memcpy(&out, prefix.data(), sizeof(T));
    return true;
  }

  // A command that is its wire struct and nothing more.
  template <typename T>
  Request Plain() const {
    T value;
    if (!Read(value)) return Malformed{Malformed::Kind::kShort};
    return value;
  }
  // The same, where one wire struct serves several commands.
  template <typename T>
  Request Wrapped() const {
    T value{};
    if (!Read(value.wire)) return Malformed{Malformed::Kind::kShort};
    return value;
  }
  // A command that is followed by memory entries.
  template <typename T>
  Request WithEntries() const {
    T value{};
    if (!Read(value.wire)) return Malformed{Malformed::Kind::kShort};
    value.entries_offset = sizeof(value.wire);
    const size_t room = (total_bytes - value.entries_offset) / sizeof(virtio_gpu_mem_entry);
    if (value.wire.nr_entries > room || value.wire.nr_entries > kMaxEntries)
      return Malformed{Malformed::Kind::kBadCount};
    return value;
  }
  Request Submit() const {
    SubmitRequest value{};
    if (!Read(value.wire)) return Malformed{Malformed::Kind::kShort};
    value.payload_offset = sizeof(value.wire);
    if (value.wire.size > total_bytes - value.payload_offset)
      return Malformed{Malformed::Kind::kBadCount};
    return value;
  }
};

Request DecodeBody(uint32_t type, const Reader& reader) {
  switch (type) {
    case VIRTIO_GPU_CMD_GET_DISPLAY_INFO:
      return GetDisplayInfo{};
    case VIRTIO_GPU_CMD_RESOURCE_CREATE_2D:
      return reader.Plain<virtio_gpu_resource_create_2d>();
    case VIRTIO_GPU_CMD_RESOURCE_UNREF:
      return reader.Plain<virtio_gpu_resource_unref>();
    case VIRTIO_GPU_CMD_SET_SCANOUT:
      return reader.Plain<virtio_gpu_set_scanout>();
    case VIRTIO_GPU_CMD_RESOURCE_FLUSH:
      return reader.Plain<virtio_gpu_resource_flush>();
    case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D:
      return reader.Plain<virtio_gpu_transfer_to_host_2d>();
    case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
      return reader.WithEntries<AttachBackingRequest>();
    case VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING:
      return reader.Plain<virtio_gpu_resource_detach_backing>();
    case VIRTIO_GPU_CMD_GET_CAPSET_INFO:
      return reader.Plain<virtio_gpu_get_capset_info>();
    case VIRTIO_GPU_CMD_GET_CAPSET:
      return reader.Plain<virtio_gpu_get_capset>();
    case VIRTIO_GPU_CMD_GET_EDID:
      return reader.Plain<virtio_gpu_cmd_get_edid>();
    case VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID:
      return reader.Plain<virtio_gpu_resource_assign_uuid>();
    case VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB:
      return reader.WithEntries<CreateBlobRequest>();
    case VIRTIO_GPU_CMD_SET_SCANOUT_BLOB:
      return reader.Plain<virtio_gpu_set_scanout_blob>();
    case VIRTIO_GPU_CMD_CTX_CREATE:
      return reader.Plain<virtio_gpu_ctx_create>();
    case VIRTIO_GPU_CMD_CTX_DESTROY:
      return CtxDestroy{};
    case VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE:
      return reader.Wrapped<CtxAttachResource>();
    case VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE:
      return reader.Wrapped<CtxDetachResource>();
    case VIRTIO_GPU_CMD_RESOURCE_CREATE_3D:
      return reader.Plain<virtio_gpu_resource_create_3d>();
    case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D:
      return reader.Wrapped<TransferToHost3d>();
    case VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D:
      return reader.Wrapped<TransferFromHost3d>();
    case VIRTIO_GPU_CMD_SUBMIT_3D:
      return reader.Submit();
    case VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB:
      return reader.Plain<virtio_gpu_resource_map_blob>();
    case VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB:
      return reader.Plain<virtio_gpu_resource_unmap_blob>();
    case VIRTIO_GPU_CMD_UPDATE_CURSOR:
      return reader.Wrapped<UpdateCursor>();
    case VIRTIO_GPU_CMD_MOVE_CURSOR:
      return reader.Wrapped<MoveCursor>();
    default:  // a guest's number, not an enum of ours
      return Malformed{Malformed::Kind::kUnknownCommand};
  }
}

}  // namespace

Decoded DecodeRequest(std::span<const std::byte> prefix, size_t total_bytes) {
  const Reader reader{prefix, total_bytes};
  Decoded decoded;
  if (!reader.Read(decoded.hdr)) {
    decoded.hdr = {};
    return decoded;
  }
  decoded.request = DecodeBody(decoded.hdr.type, reader);
  return decoded;
}

StatsCommand ToStatsCommand(uint32_t type) {
  // The counters are in the order of the specification's numbers, group by group.
  const auto at = [type](uint32_t base, StatsCommand first) {
    return static_cast<StatsCommand>(static_cast<uint32_t>(first) + (type - base));
  };
  if (type >= VIRTIO_GPU_CMD_GET_DISPLAY_INFO && type <= VIRTIO_GPU_CMD_SET_SCANOUT_BLOB)
    return at(VIRTIO_GPU_CMD_GET_DISPLAY_INFO, StatsCommand::kGetDisplayInfo);
  if (type >= VIRTIO_GPU_CMD_CTX_CREATE && type <= VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB)
    return at(VIRTIO_GPU_CMD_CTX_CREATE, StatsCommand::kCtxCreate);
  if (type >= VIRTIO_GPU_CMD_UPDATE_CURSOR && type <= VIRTIO_GPU_CMD_MOVE_CURSOR)
    return at(VIRTIO_GPU_CMD_UPDATE_CURSOR, StatsCommand::kUpdateCursor);
  return StatsCommand::kUnknown;
}

static_assert(static_cast<uint32_t>(StatsCommand::kSetScanoutBlob) -
                  static_cast<uint32_t>(StatsCommand::kGetDisplayInfo) ==
              VIRTIO_GPU_CMD_SET_SCANOUT_BLOB - VIRTIO_GPU_CMD_GET_DISPLAY_INFO);
static_assert(static_cast<uint32_t>(StatsCommand::kResourceUnmapBlob) -
                  static_cast<uint32_t>(StatsCommand::kCtxCreate) ==
              VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB - VIRTIO_GPU_CMD_CTX_CREATE);

}  // namespace rendercar::wire
