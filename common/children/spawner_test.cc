// Children by way of a spawner: as if they were this process's own.
// SPDX-License-Identifier: Apache-2.0
#include "common/children/spawner.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

namespace rendercar {
namespace {

using std::chrono_literals::operator""s;

absl::Status Nothing() { return absl::OkStatus(); }

std::unique_ptr<ProcessHost> Make() {
  auto spawner = StartSpawner("/bin/sh", Nothing);
  EXPECT_TRUE(spawner.ok()) << spawner.status();
  return *std::move(spawner);
}

ChildRequest Shell(const std::string& script) {
  ChildRequest request;
  request.name = "test";
  request.argv = {"/bin/sh", "-c", script};
  return request;
}

TEST(SpawnerTest, a_child_s_end_and_descriptors_arrive) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd from(ends[0]);
  UniqueFd to(ends[1]);
  const auto spawner = Make();
  ChildRequest request = Shell("echo hello >&9; exit 3");
  request.fds = {{to.get(), 9}};
  auto child = spawner->Start(request);
  ASSERT_TRUE(child.ok()) << child.status();
  to.Reset();
  const auto end = (*child)->Wait(30s);
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->code, 3);
  char text[6] = {};
  EXPECT_EQ(::read(from.get(), text, 6), 6);
  EXPECT_STREQ(std::string(text, 5).c_str(), "hello");
}

TEST(SpawnerTest, a_child_is_killed_by_its_pidfd) {
  const auto spawner = Make();
  auto child = spawner->Start(Shell("exec sleep 1000"));
  ASSERT_TRUE(child.ok()) << child.status();
  EXPECT_FALSE((*child)->Wait(std::chrono::milliseconds(10)).has_value());
  (*child)->Signal(SIGKILL);
  const auto end = (*child)->Wait(30s);
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->kind, ChildEnd::Kind::kSignaled);
}

TEST(SpawnerTest, no_other_program_is_started) {
  const auto spawner = Make();
  ChildRequest request = Shell("true");
  request.argv[0] = "/bin/true";
  EXPECT_TRUE(absl::IsPermissionDenied(spawner->Start(request).status()));
}

TEST(SpawnerTest, one_that_cannot_be_prepared_starts_nothing) {
  const auto spawner =
      StartSpawner("/bin/sh", [] { return absl::PermissionDeniedError("no sandbox here"); });
  EXPECT_TRUE(absl::IsUnavailable(spawner.status())) << spawner.status();
}

}  // namespace
}  // namespace rendercar
