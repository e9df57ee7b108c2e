// Directories of allocations: fresh, private, and removed only when nobody can have them.
// SPDX-License-Identifier: Apache-2.0
#include "node/session_dirs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "common/temp_dir.h"

namespace rendercar::node {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""ms;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

class SessionDirsTest : public ::testing::Test {
 protected:
  std::string Make(const std::string& share) {
    now_ += 1ms;
    auto made = dirs_.Make(share);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? *made : "";
  }
  static bool Exists(const std::string& path) { return std::filesystem::exists(path); }

  TempDir root_;
  std::chrono::system_clock::time_point now_{1'700'000'000'000ms};
  SessionDirs dirs_{{.root = root_ / "sessions"}, [this] { return now_; }};
};

TEST_F(SessionDirsTest, each_allocation_gets_a_directory_of_its_own) {
  const std::string first = Make("software-0");
  const std::string second = Make("software-0");
  EXPECT_NE(first, second);
  EXPECT_THAT(first, StartsWith(root_ / "sessions/software-0/"));
  EXPECT_TRUE(Exists(first) && Exists(second));
}

TEST_F(SessionDirsTest, others_can_create_files_but_not_list_them) {
  struct stat info {};
  ASSERT_EQ(::stat(Make("software-0").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 02733u);
}

TEST_F(SessionDirsTest, an_init_containers_directory_stays_beside_the_next_one) {
  const std::string init = Make("software-0");
  const std::string main = Make("software-0");
  EXPECT_FALSE(dirs_.Collect());
  EXPECT_TRUE(Exists(init) && Exists(main));
}

TEST_F(SessionDirsTest, a_directory_goes_when_a_later_pod_has_the_share) {
  const std::string first = Make("software-0");
  std::ofstream(first + "/page") << "numbers";
  now_ += SessionDirs::kGrace;
  const std::string second = Make("software-0");
  EXPECT_FALSE(dirs_.Collect());
  EXPECT_FALSE(Exists(first));
  EXPECT_TRUE(Exists(second));
}

TEST_F(SessionDirsTest, the_newest_directory_stays_however_old) {
  const std::string only = Make("software-0");
  now_ += 100'000h;
  EXPECT_FALSE(dirs_.Collect());
  EXPECT_TRUE(Exists(only));
}

TEST_F(SessionDirsTest, a_pod_in_a_crash_loop_leaves_a_bounded_number) {
  for (size_t i = 0; i < SessionDirs::kMaxPerShare + 10; ++i) Make("software-0");
  dirs_.Collect();
  size_t left = 0;
  for (const auto& entry : std::filesystem::directory_iterator(root_ / "sessions/software-0")) {
    left += entry.exists() ? 1 : 0;
  }
  EXPECT_EQ(left, SessionDirs::kMaxPerShare);
}

TEST_F(SessionDirsTest, a_symlink_that_a_pod_left_is_not_followed) {
  std::ofstream(root_ / "precious") << "data";
  const std::string first = Make("software-0");
  std::filesystem::create_symlink(root_.path(), first + "/link");
  now_ += 20min;
  Make("software-0");
  dirs_.Collect();
  EXPECT_FALSE(Exists(first));
  EXPECT_TRUE(Exists(root_ / "precious"));
}

TEST_F(SessionDirsTest, many_files_are_removed_over_several_rounds) {
  const std::string first = Make("software-0");
  for (size_t i = 0; i < SessionDirs::kRemovalsAtOnce + 5; ++i) {
    std::ofstream(first + "/" + std::to_string(i)) << "";
  }
  now_ += 20min;
  Make("software-0");
  EXPECT_TRUE(dirs_.Collect());
  EXPECT_TRUE(Exists(first));
  EXPECT_FALSE(dirs_.Collect());
  EXPECT_FALSE(Exists(first));
}

TEST_F(SessionDirsTest, deep_nesting_is_removed_too) {
  const std::string first = Make("software-0");
  std::string deep = first;
  for (int i = 0; i < 100; ++i) deep += "/d";
  std::filesystem::create_directories(deep);
  now_ += 20min;
  Make("software-0");
  for (int i = 0; i < 20; ++i) dirs_.Collect();
  EXPECT_FALSE(Exists(first));
}

TEST_F(SessionDirsTest, lists_the_newest_of_each_share) {
  Make("software-0");
  const std::string newest = Make("software-0");
  const std::string other = Make("software-1");
  const auto all = dirs_.List();
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[0].share_id, "software-0");
  EXPECT_EQ(all[0].directory, newest);
  EXPECT_EQ(all[1].directory, other);
}

TEST_F(SessionDirsTest, a_discarded_directory_is_gone) {
  const std::string made = Make("software-0");
  dirs_.Discard(made);
  EXPECT_THAT(dirs_.List(), IsEmpty());
}

TEST(SessionDirsErrorTest, a_root_that_is_a_file_is_named) {
  const TempDir dir;
  std::ofstream(dir / "file") << "";
  SessionDirs dirs({.root = dir / "file"});
  const auto made = dirs.Make("software-0");
  ASSERT_FALSE(made.ok());
  EXPECT_THAT(std::string(made.status().message()), HasSubstr(dir / "file"));
}

}  // namespace
}  // namespace rendercar::node
