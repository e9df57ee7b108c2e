// Pictures that a renderer hands out: taken when they can be shown, else the renderer is broken.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/export_message.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/shared_memory.h"
#include "common/unix_socket.h"

namespace rendercar::ipc {
namespace {

class ExportMessageTest : public testing::Test {
 protected:
  static gpu::ExportedBuffer Picture() {
    gpu::ExportedBuffer buffer;
    buffer.fd = *CreateSealedMemory("picture", 64 * 64 * 4);
    buffer.width = buffer.height = 64;
    buffer.stride_bytes = 256;
    buffer.fourcc = 0x34325258;  // XR24
    buffer.modifier = 7;
    buffer.y_0_top = true;
    return buffer;
  }
  void ExpectBroken(const gpu::ExportedBuffer& buffer) {
    ASSERT_TRUE(SendExport(sockets.b.get(), 5, buffer).ok());
    EXPECT_TRUE(absl::IsDataLoss(ReceiveExport(sockets.a.get(), 5).status()));
  }
  SocketPair sockets = *CreateSocketPair(SOCK_SEQPACKET);
};

TEST_F(ExportMessageTest, a_picture_comes_as_it_was_sent) {
  ASSERT_TRUE(SendExport(sockets.b.get(), 5, Picture()).ok());
  const auto got = ReceiveExport(sockets.a.get(), 5);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ((*got)->width, 64u);
  EXPECT_EQ((*got)->stride_bytes, 256u);
  EXPECT_EQ((*got)->fourcc, 0x34325258u);
  EXPECT_EQ((*got)->modifier, 7u);
  EXPECT_TRUE((*got)->y_0_top);
  EXPECT_EQ(::lseek((*got)->fd.get(), 0, SEEK_END), 64 * 64 * 4);
}

TEST_F(ExportMessageTest, pictures_that_nobody_waits_for_are_dropped) {
  for (uint64_t seq = 1; seq <= 5; ++seq)
    ASSERT_TRUE(SendExport(sockets.b.get(), seq, Picture()).ok());
  EXPECT_TRUE(ReceiveExport(sockets.a.get(), 5).ok());
}

TEST_F(ExportMessageTest, a_picture_that_is_not_there_is_not_waited_for) {
  EXPECT_TRUE(absl::IsDataLoss(ReceiveExport(sockets.a.get(), 5).status()));
}

TEST_F(ExportMessageTest, memory_that_can_shrink_is_refused) {
  gpu::ExportedBuffer buffer = Picture();
  buffer.fd = UniqueFd(::memfd_create("shrinks", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::ftruncate(buffer.fd.get(), 64 * 64 * 4), 0);
  ExpectBroken(buffer);
}

TEST_F(ExportMessageTest, what_is_no_memory_is_refused) {
  for (const char* path : {"/dev/null", "/proc/self/maps", "/"}) {
    gpu::ExportedBuffer buffer = Picture();
    buffer.fd = UniqueFd(::open(path, O_RDONLY | O_CLOEXEC));
    ExpectBroken(buffer);
  }
}

TEST_F(ExportMessageTest, impossible_sizes_are_refused) {
  for (int i = 0; i < 5; ++i) {
    gpu::ExportedBuffer buffer = Picture();
    if (i == 0) buffer.width = 0;
    if (i == 1) buffer.height = 0xffffffff;
    if (i == 2) buffer.stride_bytes = 0xffffffff;
    if (i == 3) buffer.offset_bytes = 0xffffffff;
    if (i == 4) buffer.height = 65;
    ExpectBroken(buffer);
  }
}

TEST_F(ExportMessageTest, half_a_message_is_refused) {
  const uint64_t half = 5;
  ASSERT_TRUE(SendWithFds(sockets.b.get(), std::as_bytes(std::span(&half, 1)), {}).ok());
  EXPECT_TRUE(absl::IsDataLoss(ReceiveExport(sockets.a.get(), 5).status()));
}

}  // namespace
}  // namespace rendercar::ipc
