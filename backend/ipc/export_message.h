// Memory that a renderer hands out (ExportScanout): one message with one descriptor on the control
// socket, sent before the completion in the ring. It is the only thing that the device process ever
// takes from that socket, and only when it has asked for it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

#include "backend/gpu/renderer.h"
#include "common/status.h"

namespace rendercar::ipc {

struct ExportMessage {
  uint64_t seq;  // of the ExportScanout record
  uint64_t modifier;
  uint32_t width, height, stride_bytes, offset_bytes;
  uint32_t fourcc, y_0_top;
};
static_assert(sizeof(ExportMessage) == 40);
static_assert(std::has_unique_object_representations_v<ExportMessage>);

// Renderer side; never waits.
absl::Status SendExport(int socket, uint64_t seq, const gpu::ExportedBuffer& buffer);

// Device side: the message of record `seq`, which has been sent already; those of others are
// dropped. DataLoss, in words, when it is not there, when its values are impossible, or when its
// descriptor is no memory that keeps its size.
absl::StatusOr<std::shared_ptr<const gpu::ExportedBuffer>> ReceiveExport(int socket, uint64_t seq);

}  // namespace rendercar::ipc
