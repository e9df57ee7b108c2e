// The renderer's side of the command ring: any bytes are decoded or refused, and what is decoded
// lies within them.
// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <vector>

#include "backend/ipc/records.h"

namespace rendercar::ipc {
namespace {

void Check(const RecordDecoder::Record& record, std::span<const std::byte> readable) {
  if (record.header.size_bytes > readable.size() || record.header.size_bytes == 0) __builtin_trap();
  const auto* command = std::get_if<gpu::RenderCommand>(&record.body);
  if (command == nullptr) return;
  if (const auto* submit = std::get_if<gpu::Submit3d>(command)) {
    const auto part = submit->parts[0];
    if (part.size() != submit->size_bytes || part.data() < readable.data() ||
        part.data() + part.size() > readable.data() + readable.size())
      __builtin_trap();
  }
  // What was decoded is written as it was: a second time gives the same command.
  std::vector<std::byte> again(RecordSize(*command));
  WriteRecord(again, record.header, *command);
  RecordDecoder decoder;
  if (!decoder.Decode(again).ok()) __builtin_trap();
}

}  // namespace
}  // namespace rendercar::ipc

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rendercar::ipc;
  std::span<const std::byte> readable = std::as_bytes(std::span(data, size));
  RecordDecoder decoder;
  while (!readable.empty()) {
    const auto record = decoder.Decode(readable);
    if (!record.ok()) return 0;
    Check(*record, readable);
    readable = readable.subspan(record->header.size_bytes);
  }
  return 0;
}
