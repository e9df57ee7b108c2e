// Children: their descriptors, their ends, and that none is left behind.
// SPDX-License-Identifier: Apache-2.0
#include "common/subprocess.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>

namespace rendercar {
namespace {

using std::chrono_literals::operator""s;

Subprocess::Options Shell(const std::string& script) { return {.argv = {"/bin/sh", "-c", script}}; }

TEST(SubprocessTest, tells_the_exit_code) {
  auto child = Subprocess::Start(Shell("exit 3"));
  ASSERT_TRUE(child.ok()) << child.status();
  const auto end = child->Wait(10s);
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->ToString(), "exited with code 3");
}

TEST(SubprocessTest, tells_the_signal) {
  auto child = Subprocess::Start(Shell("exec sleep 100"));
  ASSERT_TRUE(child.ok());
  child->Signal(SIGTERM);
  const auto end = child->Wait(10s);
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->kind, ChildEnd::Kind::kSignaled);
  EXPECT_EQ(end->code, SIGTERM);
}

TEST(SubprocessTest, names_a_program_that_is_not_there) {
  const auto child = Subprocess::Start({.argv = {"/nonexistent/program"}});
  EXPECT_EQ(child.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(child.status().message(), ::testing::HasSubstr("/nonexistent/program"));
}

TEST(SubprocessTest, passes_just_the_named_descriptors) {
  const UniqueFd secret(::eventfd(0, EFD_CLOEXEC));
  const UniqueFd passed(::eventfd(0, EFD_CLOEXEC));
  auto options =
      Shell("test -e /proc/self/fd/9 && test ! -e /proc/self/fd/" + std::to_string(secret.get()));
  options.fds = {{passed.get(), 9}};
  auto child = Subprocess::Start(options);
  ASSERT_TRUE(child.ok());
  const auto end = child->Wait(10s);
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(end->clean()) << end->ToString();
}

TEST(SubprocessTest, a_dropped_child_is_killed) {
  pid_t pid = -1;
  {
    auto child = Subprocess::Start(Shell("exec sleep 100"));
    ASSERT_TRUE(child.ok());
    pid = child->pid();
  }
  EXPECT_NE(::kill(pid, 0), 0);
}

}  // namespace
}  // namespace rendercar
