// Listening, and descriptors in messages, with the mistakes that users and peers make.
// SPDX-License-Identifier: Apache-2.0
#include "common/unix_socket.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "common/temp_dir.h"

namespace rendercar {
namespace {

using ::testing::HasSubstr;

TEST(UnixSocketTest, a_path_of_108_bytes_is_refused_in_words) {
  const auto listener = UnixListener::Listen("/tmp/" + std::string(103, 'x'));
  EXPECT_EQ(listener.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(listener.status().message(), HasSubstr("108 bytes, Linux takes at most 107"));
}

TEST(UnixSocketTest, a_socket_that_somebody_listens_on_is_left_alone) {
  const TempDir dir;
  const auto first = UnixListener::Listen(dir / "s");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(UnixListener::Listen(dir / "s").status().code(), absl::StatusCode::kAlreadyExists);
}

TEST(UnixSocketTest, looking_whether_somebody_listens_is_no_connection) {
  const TempDir dir;
  auto first = UnixListener::Listen(dir / "s");
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_FALSE(UnixListener::Listen(dir / "s").ok());
  EXPECT_EQ(first->Accept().status().code(), absl::StatusCode::kUnavailable);
}

TEST(UnixSocketTest, a_stale_socket_is_replaced) {
  const TempDir dir;
  auto first = UnixListener::Listen(dir / "s");
  ASSERT_TRUE(first.ok());
  std::filesystem::create_hard_link(dir / "s", dir / "kept");
  *first = UnixListener();
  std::filesystem::rename(dir / "kept", dir / "s");
  EXPECT_TRUE(UnixListener::Listen(dir / "s").ok());
}

TEST(UnixSocketTest, a_plain_file_is_never_removed) {
  const TempDir dir;
  const UniqueFd file(::open((dir / "s").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  EXPECT_EQ(UnixListener::Listen(dir / "s").status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(std::filesystem::exists(dir / "s"));
}

TEST(UnixSocketTest, the_path_goes_with_the_listener) {
  const TempDir dir;
  { ASSERT_TRUE(UnixListener::Listen(dir / "s").ok()); }
  EXPECT_FALSE(std::filesystem::exists(dir / "s"));
}

TEST(UnixSocketTest, a_missing_directory_is_named) {
  const auto listener = UnixListener::Listen("/nonexistent/dir/s");
  EXPECT_EQ(listener.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(listener.status().message(), HasSubstr("/nonexistent/dir/s"));
}

TEST(UnixSocketTest, descriptors_arrive_close_on_exec) {
  const auto pair = CreateSocketPair(SOCK_STREAM);
  ASSERT_TRUE(pair.ok());
  const std::array<std::byte, 3> bytes{std::byte{1}, std::byte{2}, std::byte{3}};
  const std::array<int, 1> fds{pair->a.get()};
  ASSERT_TRUE(SendWithFds(pair->a.get(), bytes, fds).ok());
  std::array<std::byte, 8> buffer;
  const auto received = ReceiveWithFds(pair->b.get(), buffer, 1);
  ASSERT_TRUE(received.ok()) << received.status();
  EXPECT_EQ(received->size, 3u);
  ASSERT_EQ(received->fds.size(), 1u);
  EXPECT_EQ(::fcntl(received->fds[0].get(), F_GETFD), FD_CLOEXEC);
}

TEST(UnixSocketTest, surplus_descriptors_are_refused_and_closed) {
  const auto pair = CreateSocketPair(SOCK_STREAM);
  ASSERT_TRUE(pair.ok());
  const std::array<std::byte, 1> bytes{};
  const std::array<int, 3> fds{0, 1, 2};
  ASSERT_TRUE(SendWithFds(pair->a.get(), bytes, fds).ok());
  std::array<std::byte, 8> buffer;
  EXPECT_EQ(ReceiveWithFds(pair->b.get(), buffer, 1).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(UnixSocketTest, sending_to_a_closed_peer_is_a_status_and_no_signal) {
  auto pair = CreateSocketPair(SOCK_STREAM);
  ASSERT_TRUE(pair.ok());
  pair->b.Reset();
  const std::array<std::byte, 1> bytes{};
  EXPECT_EQ(SendWithFds(pair->a.get(), bytes, {}).status().code(), absl::StatusCode::kAborted);
}

}  // namespace
}  // namespace rendercar
