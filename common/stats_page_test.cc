// The statistics page: what is written is read, and nothing else is believed.
// SPDX-License-Identifier: Apache-2.0
#include "common/stats_page.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/temp_dir.h"

namespace rendercar {
namespace {

TEST(StatsPageTest, a_reader_sees_what_the_writer_counted) {
  const TempDir dir;
  auto writer = StatsWriter::Create(dir / "stats");
  ASSERT_TRUE(writer.ok()) << writer.status();
  writer->CountCommand(StatsCommand::kResourceFlush, StatsResult::kError);
  writer->CountError(StatsError::kBadDescriptor);
  writer->Count(StatsValue::kBytes2d, 4096);
  const auto snapshot = ReadStats(dir / "stats");
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(snapshot->commands[static_cast<size_t>(StatsCommand::kResourceFlush)][1], 1u);
  EXPECT_EQ(snapshot->errors[static_cast<size_t>(StatsError::kBadDescriptor)], 1u);
  EXPECT_EQ((*snapshot)[StatsValue::kBytes2d], 4096u);
}

TEST(StatsPageTest, a_duration_is_counted_in_the_first_bucket_that_holds_it) {
  EXPECT_EQ(StatsBucketOf(0), 0u);
  EXPECT_EQ(StatsBucketOf(1000), 0u);
  EXPECT_EQ(StatsBucketOf(1001), 1u);
  EXPECT_EQ(StatsBucketOf(1'024'000), 10u);
  EXPECT_EQ(StatsBucketOf(1'024'001), 11u);
  EXPECT_EQ(StatsBucketOf(UINT64_MAX), kStatsBuckets);
  EXPECT_DOUBLE_EQ(StatsBucketSeconds(10), 1024e-6);
}

TEST(StatsPageTest, a_reader_sees_durations) {
  const TempDir dir;
  auto writer = StatsWriter::Create(dir / "stats");
  ASSERT_TRUE(writer.ok()) << writer.status();
  writer->Observe(StatsHistogram::kFence, std::chrono::microseconds(3));
  writer->Observe(StatsHistogram::kFence, std::chrono::hours(1));
  writer->Observe(StatsHistogram::kFence, std::chrono::nanoseconds(-5));
  const auto snapshot = ReadStats(dir / "stats");
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  const StatsDurations& fences = (*snapshot)[StatsHistogram::kFence];
  EXPECT_EQ(fences.count(), 3u);
  EXPECT_EQ(fences.buckets[0], 1u);
  EXPECT_EQ(fences.buckets[2], 1u);
  EXPECT_EQ(fences.buckets[kStatsBuckets], 1u);
  EXPECT_EQ(fences.sum_ns, 3'600'000'003'000u);
  EXPECT_EQ((*snapshot)[StatsHistogram::kRecovery].count(), 0u);
}

TEST(StatsPageTest, a_truncated_page_is_an_error) {
  const TempDir dir;
  ASSERT_TRUE(StatsWriter::Create(dir / "stats").ok());
  std::filesystem::resize_file(dir / "stats", 100);
  EXPECT_FALSE(ReadStats(dir / "stats").ok());
}

TEST(StatsPageTest, garbage_and_symlinks_are_refused) {
  const TempDir dir;
  std::ofstream(dir / "garbage") << std::string(8192, 'x');
  std::filesystem::create_symlink("/etc/passwd", dir / "link");
  EXPECT_FALSE(ReadStats(dir / "garbage").ok());
  EXPECT_FALSE(ReadStats(dir / "link").ok());
}

// What a build of another version wrote: the head, and `tail_bytes` beyond what this build knows.
void WritePage(const std::string& path, uint32_t version, size_t tail_bytes) {
  StatsPage page{};
  page.magic = kStatsMagic;
  page.version = version;
  page.size_bytes = static_cast<uint32_t>(sizeof(StatsPage) + tail_bytes);
  page.values[static_cast<size_t>(StatsValue::kFramesShown)] = 7;
  page.values.back() = 99;  // a value that this build does not know
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(&page), sizeof(page));
  file << std::string(tail_bytes, '\xff');
}

TEST(StatsPageTest, a_page_of_a_newer_build_is_read_as_far_as_it_is_known) {
  const TempDir dir;
  WritePage(dir / "stats", kStatsVersion, 8192);
  const auto snapshot = ReadStats(dir / "stats");
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ((*snapshot)[StatsValue::kFramesShown], 7u);
}

TEST(StatsPageTest, what_an_older_build_does_not_count_is_zero) {
  const TempDir dir;
  WritePage(dir / "stats", kStatsVersion, 0);
  const auto snapshot = ReadStats(dir / "stats");
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(snapshot->values.back(), 0u);
  EXPECT_EQ((*snapshot)[StatsHistogram::kFence].count(), 0u);
}

TEST(StatsPageTest, a_page_of_another_version_is_refused) {
  const TempDir dir;
  WritePage(dir / "stats", kStatsVersion + 1, 0);
  EXPECT_FALSE(ReadStats(dir / "stats").ok());
}

TEST(StatsPageTest, nothing_is_left_when_the_directory_is_not_writable) {
  EXPECT_EQ(StatsWriter::Create("/nonexistent/stats").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace rendercar
