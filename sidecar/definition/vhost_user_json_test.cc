// The vhost-user JSON as QEMU's schema wants it, and the file that holds it.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/definition/vhost_user_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/temp_dir.h"

namespace rendercar::sidecar {
namespace {

using ::testing::HasSubstr;

std::string Read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

size_t FilesIn(const std::string& dir) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(dir)) ++count;
  return count;
}

TEST(VhostUserJsonTest, has_just_the_members_of_the_schema) {
  const auto json =
      nlohmann::json::parse(VhostUserJson({"A GPU", "gpu", "/usr/bin/backend", {"t1", "t2"}}));
  EXPECT_EQ(json, (nlohmann::json{{"description", "A GPU"},
                                  {"type", "gpu"},
                                  {"binary", "/usr/bin/backend"},
                                  {"tags", {"t1", "t2"}}}));
}

TEST(OwnedFileTest, is_complete_readable_by_all_and_alone) {
  const TempDir dir;
  const auto file = OwnedFile::Write(dir / "40-gpu.json", "content");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(Read(dir / "40-gpu.json"), "content");
  EXPECT_EQ(FilesIn(dir.path()), 1U);
  EXPECT_EQ(std::filesystem::status(dir / "40-gpu.json").permissions(),
            std::filesystem::perms(0644));
}

TEST(OwnedFileTest, goes_with_its_owner) {
  const TempDir dir;
  { const auto file = OwnedFile::Write(dir / "a", "x"); }
  EXPECT_EQ(FilesIn(dir.path()), 0U);
}

TEST(OwnedFileTest, leaves_a_file_that_somebody_else_put_in_its_place) {
  const TempDir dir;
  {
    const auto file = OwnedFile::Write(dir / "a", "x");
    std::ofstream(dir / "b") << "other";
    std::filesystem::rename(dir / "b", dir / "a");
  }
  EXPECT_EQ(Read(dir / "a"), "other");
}

TEST(OwnedFileTest, leaves_nothing_behind_when_the_name_is_taken_by_a_directory) {
  const TempDir dir;
  std::filesystem::create_directory(dir / "a");
  const auto file = OwnedFile::Write(dir / "a", "x");
  EXPECT_THAT(file.status().message(), HasSubstr("cannot write '" + (dir / "a") + "'"));
  EXPECT_EQ(FilesIn(dir.path()), 1U);
}

TEST(OwnedFileTest, says_which_directory_is_missing) {
  const auto file = OwnedFile::Write("/nonexistent/a", "x");
  EXPECT_EQ(file.status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace rendercar::sidecar
