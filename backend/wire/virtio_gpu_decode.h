// Decoding of virtio-gpu requests: the fixed part of each command as a private copy, checked for
// length and counts.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>

#include "backend/wire/virtio_gpu.h"
#include "common/stats_page.h"

namespace rendercar::wire {

// No command's fixed part is longer: copy so many bytes (or all there are) before decoding.
inline constexpr size_t kMaxFixedBytes = 128;

// What arrives is not a request: shorter than its command, a count that its bytes cannot hold, or a
// command that virtio 1.2 does not know.
struct Malformed {
  enum class Kind : uint32_t { kShort, kUnknownCommand, kBadCount };
  Kind kind = Kind::kShort;
};

struct GetDisplayInfo {};
struct CtxDestroy {};
struct TransferToHost3d {
  virtio_gpu_transfer_host_3d wire;
};
struct TransferFromHost3d {
  virtio_gpu_transfer_host_3d wire;
};
struct CtxAttachResource {
  virtio_gpu_ctx_resource wire;
};
struct CtxDetachResource {
  virtio_gpu_ctx_resource wire;
};
struct UpdateCursor {
  virtio_gpu_update_cursor wire;
};
struct MoveCursor {
  virtio_gpu_update_cursor wire;
};
// nr_entries virtio_gpu_mem_entry follow at `entries_offset`; they are there, and no more than
// kMaxEntries.
struct AttachBackingRequest {
  virtio_gpu_resource_attach_backing wire;
  size_t entries_offset = 0;
};
struct CreateBlobRequest {
  virtio_gpu_resource_create_blob wire;
  size_t entries_offset = 0;
};
// `wire.size` bytes follow at `payload_offset`; they are there.
struct SubmitRequest {
  virtio_gpu_cmd_submit wire;
  size_t payload_offset = 0;
};

using Request =
    std::variant<Malformed, GetDisplayInfo, virtio_gpu_resource_create_2d,
                 virtio_gpu_resource_unref, virtio_gpu_set_scanout, virtio_gpu_resource_flush,
                 virtio_gpu_transfer_to_host_2d, AttachBackingRequest,
                 virtio_gpu_resource_detach_backing, virtio_gpu_get_capset_info,
                 virtio_gpu_get_capset, virtio_gpu_cmd_get_edid, virtio_gpu_resource_assign_uuid,
                 CreateBlobRequest, virtio_gpu_set_scanout_blob, virtio_gpu_ctx_create, CtxDestroy,
                 CtxAttachResource, CtxDetachResource, virtio_gpu_resource_create_3d,
                 TransferToHost3d, TransferFromHost3d, SubmitRequest, virtio_gpu_resource_map_blob,
                 virtio_gpu_resource_unmap_blob, UpdateCursor, MoveCursor>;

// Most entries that one backing may have, whatever the policy allows.
inline constexpr uint32_t kMaxEntries = 1u << 20;

struct Decoded {
  virtio_gpu_ctrl_hdr hdr{};  // zero where the request is shorter than a header
  Request request;
};

// `prefix` is a private copy of the request's first bytes (kMaxFixedBytes, or all of them);
// `total_bytes` is how many the guest gave. Trailing bytes beyond a command's own are ignored.
Decoded DecodeRequest(std::span<const std::byte> prefix, size_t total_bytes);

// Which counter a command belongs to; kUnknown for a type that is no command.
StatsCommand ToStatsCommand(uint32_t type);

}  // namespace rendercar::wire
