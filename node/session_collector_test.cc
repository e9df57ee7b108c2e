// Statistics of sessions on the node: whose they are, and what hostile content cannot do.
// SPDX-License-Identifier: Apache-2.0
#include "node/session_collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "common/temp_dir.h"
#include "node/session_dirs.h"

namespace rendercar::node {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

class SessionCollectorTest : public ::testing::Test {
 protected:
  SessionCollectorTest() { directory_ = *dirs_.Make("software-0"); }
  void WritePage(const std::string& file, uint64_t frames) {
    auto writer = StatsWriter::Create(directory_ + "/" + file);
    ASSERT_TRUE(writer.ok()) << writer.status();
    writer->Count(StatsValue::kFramesShown, frames);
    writer->CountCommand(StatsCommand::kSubmit3d, StatsResult::kOk);
  }
  std::vector<SessionStats> Gather() { return GatherSessions(root_.path(), nullptr); }

  TempDir root_;
  SessionDirs dirs_{{.root = root_.path()}};
  std::string directory_;
};

TEST_F(SessionCollectorTest, a_page_is_read_with_its_session_and_share) {
  WritePage("gpu0.stats", 42);
  const auto sessions = Gather();
  ASSERT_THAT(sessions, SizeIs(1));
  EXPECT_EQ(sessions[0].session, "gpu0");
  EXPECT_EQ(sessions[0].share, "software-0");
  EXPECT_EQ(sessions[0].stats[StatsValue::kFramesShown], 42u);
}

TEST_F(SessionCollectorTest, the_pod_that_has_the_share_is_named) {
  WritePage("gpu0.stats", 42);
  const ShareUsers users{{"software-0", {"vms", "virt-launcher-a", "rendercar"}}};
  const auto sessions = GatherSessions(root_.path(), &users);
  ASSERT_THAT(sessions, SizeIs(1));
  EXPECT_EQ(sessions[0].user.ns, "vms");
  EXPECT_EQ(sessions[0].user.pod, "virt-launcher-a");
}

TEST_F(SessionCollectorTest, pages_of_a_share_that_no_pod_has_are_left_out) {
  WritePage("gpu0.stats", 42);
  const ShareUsers users;
  EXPECT_THAT(GatherSessions(root_.path(), &users), IsEmpty());
}

TEST_F(SessionCollectorTest, only_the_newest_directory_of_a_share_counts) {
  WritePage("gpu0.stats", 42);
  directory_ = *dirs_.Make("software-0");
  EXPECT_THAT(Gather(), IsEmpty());
}

TEST_F(SessionCollectorTest, garbage_pipes_links_and_directories_are_passed_over) {
  std::ofstream(directory_ + "/garbage.stats") << std::string(10'000, 'x');
  std::ofstream(directory_ + "/short.stats") << "RCSTATST";
  ASSERT_EQ(::mkfifo((directory_ + "/pipe.stats").c_str(), 0600), 0);
  std::filesystem::create_directory(directory_ + "/directory.stats");
  std::filesystem::create_symlink("/etc/passwd", directory_ + "/link.stats");
  WritePage("good.stats", 1);
  const auto sessions = Gather();
  ASSERT_THAT(sessions, SizeIs(1));
  EXPECT_EQ(sessions[0].session, "good");
}

TEST_F(SessionCollectorTest, names_that_are_no_names_are_passed_over) {
  for (const char* name : {"a b.stats", "a\"b.stats", "a\nb.stats", ".stats", "\xff\xfe.stats"}) {
    WritePage(name, 1);
  }
  WritePage(std::string(64, 'x') + ".stats", 1);
  EXPECT_THAT(Gather(), IsEmpty());
}

TEST_F(SessionCollectorTest, a_share_has_a_bounded_number_of_sessions) {
  for (int i = 0; i < 20; ++i) WritePage("gpu" + std::to_string(i) + ".stats", 1);
  EXPECT_THAT(Gather(), SizeIs(kMaxSessionsPerShare));
}

TEST_F(SessionCollectorTest, a_directory_full_of_other_files_is_not_read_to_its_end) {
  for (size_t i = 0; i < 2 * kMaxEntriesPerDirectory; ++i) {
    std::ofstream(directory_ + "/" + std::to_string(i)) << "";
  }
  EXPECT_THAT(Gather(), IsEmpty());
}

TEST_F(SessionCollectorTest, families_carry_whose_the_session_is) {
  WritePage("gpu0.stats", 42);
  auto book = std::make_shared<ShareUserBook>();
  book->Set({{"software-0", {"vms", "virt-launcher-my-vm-x7k2p", "rendercar"}}});
  const SessionCollector collector(root_.path(), book);
  for (const auto& family : collector.Collect()) {
    if (family.name != "rendercar_frames_shown_total") continue;
    ASSERT_THAT(family.metric, SizeIs(1));
    EXPECT_EQ(family.metric[0].counter.value, 42);
    std::map<std::string, std::string> labels;
    for (const auto& label : family.metric[0].label) labels[label.name] = label.value;
    EXPECT_THAT(labels,
                ElementsAre(Pair("namespace", "vms"), Pair("pod", "virt-launcher-my-vm-x7k2p"),
                            Pair("render_node", "software"), Pair("session", "gpu0"),
                            Pair("share", "software-0"), Pair("vm", "my-vm")));
    return;
  }
  FAIL() << "no rendercar_frames_shown_total";
}

}  // namespace
}  // namespace rendercar::node
