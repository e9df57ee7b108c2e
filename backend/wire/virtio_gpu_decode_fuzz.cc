// Any bytes as a virtio-gpu request.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "backend/wire/virtio_gpu_decode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rendercar::wire;
  const std::span all(reinterpret_cast<const std::byte*>(data), size);
  const Decoded decoded = DecodeRequest(all.first(std::min(size, kMaxFixedBytes)), size);
  if (const auto* attach = std::get_if<AttachBackingRequest>(&decoded.request)) {
    if (attach->entries_offset + size_t{16} * attach->wire.nr_entries > size) __builtin_trap();
  }
  if (const auto* submit = std::get_if<SubmitRequest>(&decoded.request)) {
    if (submit->payload_offset + submit->wire.size > size) __builtin_trap();
  }
  ToStatsCommand(decoded.hdr.type);
  return 0;
}
