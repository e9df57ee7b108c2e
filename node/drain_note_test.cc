// What the agent's next process learns of a drain by hand.
// SPDX-License-Identifier: Apache-2.0
#include "node/drain_note.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/temp_dir.h"
#include "node/session_dirs.h"

namespace rendercar::node {
namespace {

class DrainNoteTest : public ::testing::Test {
 protected:
  TempDir dir_;
  DrainNote note_{dir_ / "sessions"};
};

TEST_F(DrainNoteTest, without_a_note_the_node_is_not_drained) { EXPECT_EQ(note_.Read(), ""); }

TEST_F(DrainNoteTest, the_reason_is_kept_until_the_drain_ends) {
  ASSERT_TRUE(note_.Write("driver update").ok());
  EXPECT_EQ(DrainNote(dir_ / "sessions").Read(), "driver update");
  ASSERT_TRUE(note_.Write("").ok());
  EXPECT_EQ(note_.Read(), "");
  EXPECT_TRUE(note_.Write("").ok()) << "a drain may end twice";
}

TEST_F(DrainNoteTest, a_note_that_says_nothing_still_drains) {
  ASSERT_TRUE(note_.Write("x").ok());
  std::ofstream(dir_ / "sessions/.drained", std::ios::trunc).close();
  EXPECT_EQ(note_.Read(), "no reason was given");
}

TEST_F(DrainNoteTest, a_very_long_reason_is_cut) {
  ASSERT_TRUE(note_.Write(std::string(100'000, 'x')).ok());
  EXPECT_EQ(note_.Read(), std::string(4095, 'x'));
}

TEST_F(DrainNoteTest, the_note_is_no_session_directory) {
  ASSERT_TRUE(note_.Write("driver update").ok());
  EXPECT_TRUE(SessionDirs({.root = dir_ / "sessions"}).List().empty());
}

TEST_F(DrainNoteTest, a_place_where_nothing_can_be_written_is_named) {
  std::ofstream(dir_ / "sessions").close();
  const absl::Status status = note_.Write("driver update");
  ASSERT_FALSE(status.ok());
  EXPECT_NE(std::string(status.message()).find("sessions"), std::string::npos);
}

}  // namespace
}  // namespace rendercar::node
