// Memory that a renderer hands out.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/export_message.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <utility>

#include "common/unix_socket.h"

namespace rendercar::ipc {
namespace {

// A hostile renderer may have sent any number; so many are looked through.
constexpr int kMostMessages = 64;
constexpr uint32_t kMaxSide = 16384;
constexpr uint32_t kMaxStride = 1u << 20;

absl::Status Broken(const char* what) {
  return absl::DataLossError(absl::StrCat("the renderer exported ", what));
}

// A dmabuf cannot be truncated; other memory must not be.
bool KeepsItsSize(int fd) {
  struct statfs info {};
  if (::fstatfs(fd, &info) != 0) return false;
  if (static_cast<uint64_t>(info.f_type) == DMA_BUF_MAGIC) return true;
  const int seals = ::fcntl(fd, F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
}

absl::Status Check(const ExportMessage& m, int fd) {
  const bool possible = m.width >= 1 && m.width <= kMaxSide && m.height >= 1 &&
                        m.height <= kMaxSide && m.stride_bytes <= kMaxStride && m.y_0_top <= 1;
  if (!possible) return Broken("a picture of an impossible size");
  if (!KeepsItsSize(fd)) return Broken("a descriptor that is no memory, or that can shrink");
  const off_t size = ::lseek(fd, 0, SEEK_END);
  const uint64_t last_row = uint64_t{m.stride_bytes} * (m.height - 1) + m.offset_bytes;
  if (size < 0 || last_row >= static_cast<uint64_t>(size))
    return Broken("less memory than its picture has");
  return absl::OkStatus();
}

std::shared_ptr<const gpu::ExportedBuffer> ToBuffer(const ExportMessage& m, UniqueFd fd) {
  auto buffer = std::make_shared<gpu::ExportedBuffer>();
  buffer->fd = std::move(fd);
  buffer->width = m.width;
  buffer->height = m.height;
  buffer->stride_bytes = m.stride_bytes;
  buffer->offset_bytes = m.offset_bytes;
  buffer->fourcc = m.fourcc;
  buffer->modifier = m.modifier;
  buffer->y_0_top = m.y_0_top == 1;
  return buffer;
}

}  // namespace

absl::Status SendExport(int socket, uint64_t seq, const gpu::ExportedBuffer& buffer) {
  const ExportMessage message{seq,           buffer.modifier,         buffer.width,
                              buffer.height, buffer.stride_bytes,     buffer.offset_bytes,
                              buffer.fourcc, buffer.y_0_top ? 1u : 0u};
  const int fd = buffer.fd.get();
  return SendWithFds(socket, std::as_bytes(std::span(&message, 1)), {&fd, 1}).status();
}

absl::StatusOr<std::shared_ptr<const gpu::ExportedBuffer>> ReceiveExport(int socket, uint64_t seq) {
  for (int i = 0; i < kMostMessages; ++i) {
    ExportMessage m{};
    auto received =
        ReceiveWithFds(socket, std::as_writable_bytes(std::span(&m, 1)), 1, MSG_DONTWAIT);
    if (!received.ok()) break;
    if (received->size != sizeof(m) || received->fds.size() != 1)
      return Broken("something else than one picture");
    if (m.seq != seq) continue;
    RC_RETURN_IF_ERROR(Check(m, received->fds[0].get()));
    return ToBuffer(m, std::move(received->fds[0]));
  }
  return Broken("nothing, but said so");
}

}  // namespace rendercar::ipc
