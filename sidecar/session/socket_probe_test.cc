// Sockets that listen, that only exist, and that are gone.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/session/socket_probe.h"

#include <gtest/gtest.h>

#include "common/temp_dir.h"
#include "common/unix_socket.h"

namespace rendercar::sidecar {
namespace {

TEST(SocketProbeTest, sees_a_listening_socket_without_connecting) {
  const TempDir dir;
  auto listener = UnixListener::Listen(dir / "a b.sock");
  ASSERT_TRUE(listener.ok());
  EXPECT_TRUE(IsListening(dir / "a b.sock"));
  EXPECT_EQ(listener->Accept().status().code(), absl::StatusCode::kUnavailable);
}

TEST(SocketProbeTest, a_prefix_of_a_path_is_another_path) {
  const TempDir dir;
  const auto listener = UnixListener::Listen(dir / "a.sock2");
  ASSERT_TRUE(listener.ok());
  EXPECT_FALSE(IsListening(dir / "a.sock"));
}

TEST(SocketProbeTest, a_closed_socket_does_not_listen) {
  const TempDir dir;
  { const auto listener = UnixListener::Listen(dir / "a.sock"); }
  EXPECT_FALSE(IsListening(dir / "a.sock"));
}

TEST(SocketProbeTest, a_missing_table_means_no) { EXPECT_FALSE(IsListening("/x", "/nonexistent")); }

}  // namespace
}  // namespace rendercar::sidecar
