// The ownership contract of UniqueFd.
// SPDX-License-Identifier: Apache-2.0
#include "common/unique_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <utility>

namespace rendercar {
namespace {

UniqueFd NewFd() { return UniqueFd(::eventfd(0, EFD_CLOEXEC)); }
bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

TEST(UniqueFdTest, closes_its_descriptor_when_it_goes_out_of_scope) {
  int raw = -1;
  {
    UniqueFd fd = NewFd();
    raw = fd.get();
    EXPECT_TRUE(IsOpen(raw));
  }
  EXPECT_FALSE(IsOpen(raw));
}

TEST(UniqueFdTest, moving_over_an_open_descriptor_closes_the_old_one) {
  UniqueFd a = NewFd();
  UniqueFd b = NewFd();
  const int old = a.get();
  a = std::move(b);
  EXPECT_FALSE(IsOpen(old));
  EXPECT_TRUE(IsOpen(a.get()));
}

TEST(UniqueFdTest, moving_onto_itself_keeps_the_descriptor) {
  UniqueFd a = NewFd();
  UniqueFd& same = a;
  a = std::move(same);
  EXPECT_TRUE(IsOpen(a.get()));
}

TEST(UniqueFdTest, a_released_descriptor_belongs_to_the_caller) {
  UniqueFd a = NewFd();
  const UniqueFd owner(a.Release());
  EXPECT_FALSE(a.valid());
  EXPECT_TRUE(IsOpen(owner.get()));
}

TEST(UniqueFdTest, a_duplicate_is_close_on_exec_and_lives_on_its_own) {
  UniqueFd a = NewFd();
  const UniqueFd b = a.Duplicate();
  a.Reset();
  EXPECT_EQ(::fcntl(b.get(), F_GETFD), FD_CLOEXEC);
}

}  // namespace
}  // namespace rendercar
