// Paths that cannot work, each with its kind and its remedy.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/config/checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "common/temp_dir.h"

namespace rendercar::sidecar {
namespace {

using ::testing::HasSubstr;

TEST(ChecksTest, a_writable_directory_is_fine) {
  const TempDir dir;
  EXPECT_TRUE(CheckWritableDirectory(dir.path(), "socket directory").ok());
}

TEST(ChecksTest, a_missing_directory_is_not_found) {
  const auto status = CheckWritableDirectory("/nonexistent/dir", "socket directory (--socket-dir)");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(status.message(),
              HasSubstr("socket directory (--socket-dir) '/nonexistent/dir' does not exist"));
}

TEST(ChecksTest, a_relative_directory_is_refused) {
  EXPECT_EQ(CheckWritableDirectory("sockets", "socket directory").code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(ChecksTest, a_file_is_no_directory) {
  const TempDir dir;
  std::ofstream(dir / "file") << "x";
  EXPECT_THAT(CheckWritableDirectory(dir / "file", "socket directory").message(),
              HasSubstr("is no directory"));
}

TEST(ChecksTest, a_directory_of_somebody_else_names_our_uid) {
  if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: needs root, to become somebody else";
  const TempDir dir;
  ASSERT_EQ(::chmod(dir.path().c_str(), 0755), 0);
  ASSERT_EQ(::seteuid(65534), 0);
  const auto status = CheckWritableDirectory(dir.path(), "socket directory");
  ASSERT_EQ(::seteuid(0), 0);
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(status.message(), HasSubstr("is not writable by uid 65534"));
}

TEST(ChecksTest, the_software_node_needs_no_device) {
  EXPECT_TRUE(CheckRenderNode("software").ok());
}

TEST(ChecksTest, a_missing_render_node_is_not_found) {
  const auto status = CheckRenderNode("/dev/dri/renderD999");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("request rendercar.dev/render"));
}

TEST(ChecksTest, a_file_is_no_render_node) {
  const TempDir dir;
  std::ofstream(dir / "renderD128") << "x";
  EXPECT_THAT(CheckRenderNode(dir / "renderD128").message(), HasSubstr("is no device"));
}

TEST(ChecksTest, a_device_that_opens_passes) { EXPECT_TRUE(CheckRenderNode("/dev/null").ok()); }

TEST(ChecksTest, a_missing_program_is_not_found) {
  EXPECT_EQ(CheckProgram("/nonexistent/backend", "backend program").code(),
            absl::StatusCode::kNotFound);
}

TEST(ChecksTest, a_program_without_x_bit_is_refused) {
  const TempDir dir;
  std::ofstream(dir / "backend") << "x";
  EXPECT_EQ(CheckProgram(dir / "backend", "backend program").code(),
            absl::StatusCode::kPermissionDenied);
}

TEST(ChecksTest, a_socket_path_has_107_bytes_at_most) {
  EXPECT_TRUE(CheckSocketPath("/" + std::string(106, 'x')).ok());
  const auto status = CheckSocketPath("/" + std::string(107, 'x'));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("has 108 bytes, Linux takes at most 107"));
}

}  // namespace
}  // namespace rendercar::sidecar
