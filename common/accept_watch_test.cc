// Accepting on a loop, with and without descriptors left.
// SPDX-License-Identifier: Apache-2.0
#include "common/accept_watch.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "common/fake_loop.h"
#include "common/temp_dir.h"

namespace rendercar {
namespace {

// No descriptor can be opened while it lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit none{0, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

class AcceptWatchTest : public testing::Test {
 protected:
  const TempDir dir_;
  FakeLoop loop_;
  UnixListener listener_ = *UnixListener::Listen(dir_ / "socket");
  int accepted_ = 0;
  std::unique_ptr<AcceptWatch> watch_ = std::make_unique<AcceptWatch>(
      loop_, listener_, [this](const UniqueFd& socket) { accepted_ += socket.valid() ? 1 : 0; });
};

TEST_F(AcceptWatchTest, hands_over_each_connection) {
  const auto client = ConnectUnix(dir_ / "socket");
  ASSERT_TRUE(client.ok());
  EXPECT_TRUE(loop_.Fire(listener_.fd(), EPOLLIN));
  EXPECT_TRUE(loop_.Fire(listener_.fd(), EPOLLIN));  // nobody waits any more
  EXPECT_EQ(accepted_, 1);
}

TEST_F(AcceptWatchTest, pauses_while_there_are_no_descriptors) {
  const auto client = ConnectUnix(dir_ / "socket");
  ASSERT_TRUE(client.ok());
  {
    const NoDescriptors none;
    loop_.Fire(listener_.fd(), EPOLLIN);
  }
  EXPECT_FALSE(loop_.IsWatched(listener_.fd()));
  loop_.Advance(AcceptWatch::kPause);
  EXPECT_TRUE(loop_.Fire(listener_.fd(), EPOLLIN));
  EXPECT_EQ(accepted_, 1);
}

TEST_F(AcceptWatchTest, one_that_is_gone_watches_nothing_after_its_pause) {
  const auto client = ConnectUnix(dir_ / "socket");
  {
    const NoDescriptors none;
    loop_.Fire(listener_.fd(), EPOLLIN);
  }
  watch_.reset();
  loop_.Advance(AcceptWatch::kPause);
  EXPECT_FALSE(loop_.IsWatched(listener_.fd()));
}

}  // namespace
}  // namespace rendercar
