// The container's memory from files as the kernel writes them, and what is ended near the limit.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/session/memory_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/epoll_loop.h"
#include "common/temp_dir.h"
#include "sidecar/session/session_manager.h"

namespace rendercar::sidecar {
namespace {

class MemoryUseTest : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const std::string full = dir_ / path;
    std::filesystem::create_directories(std::filesystem::path(full).parent_path());
    std::ofstream(full) << text;
  }
  std::optional<MemoryUse> Read() { return ReadMemoryUse(dir_.path(), dir_ / "self"); }

  const TempDir dir_;
};

TEST_F(MemoryUseTest, v2_counts_what_cannot_be_taken_back) {
  Write("self", "0::/kubepods/pod1\n");
  Write("kubepods/pod1/memory.max", "1000000\n");
  Write("kubepods/pod1/memory.stat", "anon 700000\nfile 250000\nshmem 50000\n");
  ASSERT_TRUE(Read().has_value());
  EXPECT_EQ(Read()->used_bytes, 750'000u);
  EXPECT_EQ(Read()->limit_bytes, 1'000'000u);
}

TEST_F(MemoryUseTest, v1_in_a_container_that_sees_its_own_part) {
  Write("self", "4:memory:/not/seen/here\n");
  Write("memory/memory.limit_in_bytes", "2000\n");
  Write("memory/memory.stat", "rss 1\ntotal_rss 900\ntotal_shmem 100\n");
  ASSERT_TRUE(Read().has_value());
  EXPECT_EQ(Read()->used_bytes, 1000u);
  EXPECT_EQ(Read()->limit_bytes, 2000u);
}

TEST_F(MemoryUseTest, no_limit_is_nothing_to_watch) {
  Write("self", "0::/\n");
  Write("memory.max", "max\n");
  EXPECT_FALSE(Read().has_value());
}

// A session whose fake backend has a child that is named as renderers are.
class MemoryWatchTest : public ::testing::Test {
 protected:
  MemoryWatchTest() {
    std::filesystem::copy_file("/bin/sleep", dir_ / "rendercar-renderer");
    std::ofstream(dir_ / "backend") << "#!/bin/sh\n"
                                    << (dir_ / "rendercar-renderer") << " 1000 &\n"
                                    << "echo $! > " << (dir_ / "renderer.pid") << "\n"
                                    << "exec " RENDERCAR_TEST_DIR "/fake_backend \"$@\"\n";
    std::filesystem::permissions(dir_ / "backend", std::filesystem::perms::owner_all);
    ::setenv("RENDERCAR_FAKE_BACKEND", "good", 1);
    SessionManager::Config config{dir_.path(), "/vmm", dir_ / "backend", {}, {}};
    sessions_ = std::make_unique<SessionManager>(
        loop_, processes_, config, std::vector<Share>{{"a", "software", "", 0}}, report_);
  }
  ~MemoryWatchTest() override {
    sessions_->StopAll([this](const absl::Status&) { loop_.Quit(); });
    loop_.Run();
    if (renderer_ != 0) ::kill(renderer_, SIGKILL);
  }
  void Create() {
    SessionSpec spec;
    spec.name = "gpu0";
    sessions_->Create(spec, [this](const absl::StatusOr<SessionView>&) { loop_.Quit(); });
    loop_.Run();
    std::ifstream(dir_ / "renderer.pid") >> renderer_;
  }
  void RunFor(std::chrono::milliseconds time) {
    loop_.PostAfter(time, [this] { loop_.Quit(); });
    loop_.Run();
  }
  bool RendererAlive() { return !FindRenderers(sessions_->List()[0].backend_pid).empty(); }

  const TempDir dir_;
  EpollLoop loop_;
  LocalProcessHost processes_;
  NullSessionReport report_;
  std::unique_ptr<SessionManager> sessions_;
  pid_t renderer_ = 0;
};

TEST_F(MemoryWatchTest, at_ninety_percent_the_renderer_ends_and_the_session_says_so) {
  Create();
  while (!RendererAlive()) RunFor(std::chrono::milliseconds(1));  // it is being started
  uint64_t used = 890;
  MemoryWatch::Config config;
  config.interval = std::chrono::milliseconds(1);
  config.read = [&used] { return MemoryUse{used * 1'000'000, 1'000'000'000}; };
  const MemoryWatch watch(
      loop_, [this] { return sessions_->List(); },
      [this](const std::string& name, pid_t renderer, const MemoryUse& use) {
        sessions_->NoteMemoryKill(name, renderer, use);
      },
      config);
  RunFor(std::chrono::milliseconds(50));
  EXPECT_TRUE(RendererAlive());
  used = 905;
  while (sessions_->List()[0].memory_kills == 0) RunFor(std::chrono::milliseconds(10));
  while (RendererAlive()) RunFor(std::chrono::milliseconds(10));
  const SessionView view = sessions_->List()[0];
  EXPECT_EQ(view.memory_kills, 1u);
  EXPECT_EQ(view.events.back().reason, "RendererKilledForMemory");
  EXPECT_EQ(view.state, SessionState::kReady);
}

TEST_F(MemoryWatchTest, a_process_that_is_no_renderer_is_not_ended) {
  EXPECT_FALSE(KillRenderer(::getpid()));
}

}  // namespace
}  // namespace rendercar::sidecar
