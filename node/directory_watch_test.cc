// What a directory watch tells, on a real directory and a real loop.
// SPDX-License-Identifier: Apache-2.0
#include "node/directory_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include "common/epoll_loop.h"
#include "common/temp_dir.h"

namespace rendercar::node {
namespace {

using ::testing::Contains;
using ::testing::Pair;

class DirectoryWatchTest : public ::testing::Test {
 protected:
  // Runs the loop until the handler has been called with `event`.
  void RunUntil(FileEvent event) {
    until_ = event;
    loop_.Run();
  }
  void Start(const std::string& directory) {
    watch_.emplace(loop_, directory, [this](FileEvent event, const std::string& name) {
      events_.emplace_back(event, name);
      if (event == until_) loop_.Quit();
    });
  }

  TempDir dir_;
  EpollLoop loop_;
  std::vector<std::pair<FileEvent, std::string>> events_;
  FileEvent until_ = FileEvent::kUnknown;
  std::optional<DirectoryWatch> watch_;
};

TEST_F(DirectoryWatchTest, tells_a_file_that_appears_and_goes) {
  Start(dir_.path());
  std::ofstream(dir_ / "kubelet.sock") << "";
  RunUntil(FileEvent::kAppeared);
  EXPECT_THAT(events_, Contains(Pair(FileEvent::kAppeared, "kubelet.sock")));
  std::filesystem::remove(dir_ / "kubelet.sock");
  RunUntil(FileEvent::kGone);
  EXPECT_THAT(events_, Contains(Pair(FileEvent::kGone, "kubelet.sock")));
}

TEST_F(DirectoryWatchTest, waits_for_a_directory_that_is_not_there_yet) {
  Start(dir_ / "later");
  std::filesystem::create_directory(dir_ / "later");
  RunUntil(FileEvent::kUnknown);
  std::ofstream(dir_ / "later/file") << "";
  RunUntil(FileEvent::kAppeared);
  EXPECT_THAT(events_, Contains(Pair(FileEvent::kAppeared, "file")));
}

TEST_F(DirectoryWatchTest, follows_a_directory_that_is_replaced) {
  std::filesystem::create_directory(dir_ / "plugins");
  Start(dir_ / "plugins");
  std::filesystem::remove(dir_ / "plugins");
  std::filesystem::create_directory(dir_ / "plugins");
  RunUntil(FileEvent::kUnknown);
  std::ofstream(dir_ / "plugins/file") << "";
  RunUntil(FileEvent::kAppeared);
  EXPECT_THAT(events_, Contains(Pair(FileEvent::kAppeared, "file")));
}

}  // namespace
}  // namespace rendercar::node
