// Sessions: shares, names, and that a failed or deleted session leaves nothing.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/session/session_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "common/epoll_loop.h"
#include "common/temp_dir.h"
#include "common/unix_socket.h"

namespace rendercar::sidecar {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class SessionManagerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Behave("good");
    SessionManager::Config config{
        dir_.path(), "/vmm", RENDERCAR_TEST_DIR "/fake_backend", {"--max-contexts=8"}, "", "", {}};
    config.backend.poll = std::chrono::milliseconds(2);
    config.backend.first_pause = std::chrono::milliseconds(1);
    manager_ = std::make_unique<SessionManager>(
        loop_, processes_, config,
        std::vector<Share>{{"a", "software", dir_.path(), 1 << 20}, {"b", "software", "", 0}},
        report_);
  }
  void Behave(const char* behaviour) { ::setenv("RENDERCAR_FAKE_BACKEND", behaviour, 1); }

  absl::StatusOr<SessionView> Create(const SessionSpec& spec) {
    std::optional<absl::StatusOr<SessionView>> result;
    manager_->Create(spec, [&](absl::StatusOr<SessionView> session) {
      result = std::move(session);
      loop_.Quit();
    });
    while (!result) loop_.Run();
    return *result;
  }
  absl::StatusOr<SessionView> Create(const std::string& name) {
    SessionSpec spec;
    spec.name = name;
    return Create(spec);
  }
  absl::StatusOr<SessionView> Ensure(const SessionSpec& spec) {
    std::optional<absl::StatusOr<SessionView>> result;
    manager_->Ensure(spec, [&](absl::StatusOr<SessionView> session) {
      result = std::move(session);
      loop_.Quit();
    });
    while (!result) loop_.Run();
    return *result;
  }
  absl::Status Delete(const std::string& name, bool force = false) {
    std::optional<absl::Status> result;
    manager_->Delete(name, force, [&](absl::Status status) {
      result = std::move(status);
      loop_.Quit();
    });
    while (!result) loop_.Run();
    return *result;
  }

  const TempDir dir_;
  EpollLoop loop_;
  LocalProcessHost processes_;
  NullSessionReport report_;
  std::unique_ptr<SessionManager> manager_;
};

TEST_F(SessionManagerTest, limits_are_flags_of_every_backend) {
  const auto session = Create("one");
  ASSERT_TRUE(session.ok()) << session.status();
  std::ostringstream command;
  command << std::ifstream(absl::StrCat("/proc/", session->backend_pid, "/cmdline")).rdbuf();
  EXPECT_THAT(command.str(), HasSubstr("--max-contexts=8"));
}

TEST_F(SessionManagerTest, a_new_session_listens_and_has_the_first_free_share) {
  const auto session = Create("gpu0");
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session->state, SessionState::kReady);
  EXPECT_EQ(session->share.id, "a");
  EXPECT_EQ(session->spec.video_memory_bytes, 1U << 20);
  EXPECT_TRUE(ConnectUnix(session->socket_path).ok());
}

TEST_F(SessionManagerTest, only_a_headless_session_has_a_backend_without_screens) {
  SessionSpec spec;
  spec.name = "blind";
  spec.display_mode = DisplayMode::kHeadless;
  const auto command_line = [](const absl::StatusOr<SessionView>& session) {
    std::ifstream file("/proc/" + std::to_string(session->backend_pid) + "/cmdline");
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  EXPECT_THAT(command_line(Create(spec)), HasSubstr("--headless"));
  EXPECT_THAT(command_line(Create("seeing")), Not(HasSubstr("--headless")));
}

TEST_F(SessionManagerTest, delete_leaves_nothing) {
  ASSERT_TRUE(Create("gpu0").ok());
  ASSERT_TRUE(Delete("gpu0").ok());
  EXPECT_THAT(manager_->List(), SizeIs(0));
  EXPECT_TRUE(std::filesystem::is_empty(dir_.path()));
}

TEST_F(SessionManagerTest, a_vmm_is_told_the_socket_path_that_it_sees) {
  EXPECT_EQ(Describe(*Create("gpu0")).socket_path, "/vmm/gpu0.sock");
}

TEST_F(SessionManagerTest, a_name_is_used_once) {
  ASSERT_TRUE(Create("gpu0").ok());
  EXPECT_EQ(Create("gpu0").status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(SessionManagerTest, each_session_needs_a_share) {
  ASSERT_TRUE(Create("gpu0").ok());
  ASSERT_TRUE(Create("gpu1").ok());
  const auto third = Create("gpu2");
  EXPECT_EQ(third.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(third.status().message(), HasSubstr("every share (a, b) is used"));
}

TEST_F(SessionManagerTest, a_share_comes_back_when_its_session_goes) {
  ASSERT_TRUE(Create("gpu0").ok());
  ASSERT_TRUE(Delete("gpu0").ok());
  EXPECT_EQ(Create("gpu1")->share.id, "a");
}

TEST_F(SessionManagerTest, a_share_that_does_not_exist_is_refused) {
  SessionSpec spec;
  spec.name = "gpu0";
  spec.share = "z";
  const auto session = Create(spec);
  EXPECT_EQ(session.status().message(), "share 'z' does not exist here; this sidecar has a, b");
}

TEST_F(SessionManagerTest, a_share_in_use_names_its_session) {
  SessionSpec spec;
  spec.name = "gpu0";
  spec.share = "b";
  ASSERT_TRUE(Create(spec).ok());
  spec.name = "gpu1";
  EXPECT_THAT(Create(spec).status().message(), HasSubstr("is used by session 'gpu0'"));
}

TEST_F(SessionManagerTest, more_video_memory_than_the_share_has_is_refused) {
  SessionSpec spec;
  spec.name = "gpu0";
  spec.share = "a";
  spec.video_memory_bytes = 2 << 20;
  EXPECT_EQ(Create(spec).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SessionManagerTest, a_backend_that_does_not_come_up_leaves_no_session) {
  Behave("ends-at-once");
  const auto session = Create("gpu0");
  EXPECT_EQ(session.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(session.status().message(), HasSubstr("exited with code 69 before it listened"));
  EXPECT_THAT(manager_->List(), SizeIs(0));
  EXPECT_TRUE(std::filesystem::is_empty(dir_.path()));
}

TEST_F(SessionManagerTest, a_socket_that_somebody_serves_is_not_taken) {
  const auto other = UnixListener::Listen(dir_ / "gpu0.sock");
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(Create("gpu0").status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(ConnectUnix(dir_ / "gpu0.sock").ok());
}

TEST_F(SessionManagerTest, a_session_with_a_vm_is_deleted_only_by_force) {
  Behave("connected");
  ASSERT_TRUE(Create("gpu0").ok());
  EXPECT_EQ(Delete("gpu0").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Delete("gpu0", /*force=*/true).ok());
}

TEST_F(SessionManagerTest, stop_all_ends_everything_and_refuses_new_sessions) {
  ASSERT_TRUE(Create("gpu0").ok());
  ASSERT_TRUE(Create("gpu1").ok());
  manager_->StopAll([this](const absl::Status&) { loop_.Quit(); });
  loop_.Run();
  EXPECT_TRUE(std::filesystem::is_empty(dir_.path()));
  EXPECT_EQ(Create("gpu2").status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(SessionManagerTest, events_tell_the_history) {
  ASSERT_TRUE(Create("gpu0").ok());
  const auto session = manager_->Get("gpu0");
  ASSERT_THAT(session->events, SizeIs(2));
  EXPECT_EQ(session->events[0].reason, "BackendStarted");
  EXPECT_EQ(session->events[1].reason, "BackendReady");
}

TEST_F(SessionManagerTest, ensure_creates_once_and_keeps_the_backend) {
  SessionSpec spec;
  spec.name = "gpu0";
  const auto first = Ensure(spec);
  const auto second = Ensure(spec);
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  EXPECT_EQ(first->backend_pid, second->backend_pid);
}

TEST_F(SessionManagerTest, ensure_replaces_a_session_that_is_different) {
  ASSERT_TRUE(Create("gpu0").ok());
  SessionSpec spec;
  spec.name = "gpu0";
  spec.heads = 3;
  EXPECT_EQ(Ensure(spec)->spec.heads, 3U);
}

TEST_F(SessionManagerTest, ensure_does_not_replace_a_session_that_a_vm_uses) {
  Behave("connected");
  ASSERT_TRUE(Create("gpu0").ok());
  SessionSpec spec;
  spec.name = "gpu0";
  spec.heads = 3;
  EXPECT_EQ(Ensure(spec).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SessionManagerTest, ensure_caps_video_memory_at_the_share) {
  SessionSpec spec;
  spec.name = "gpu0";
  spec.share = "a";
  spec.video_memory_bytes = 1 << 30;
  EXPECT_EQ(Ensure(spec)->spec.video_memory_bytes, 1U << 20);
  EXPECT_TRUE(Ensure(spec).ok());
}

// A newer backend that is a shell script.
class ManagerUpgradeTest : public SessionManagerTest {
 protected:
  void SetUp() override {
    SessionManagerTest::SetUp();
    config_ = manager_->config();
    config_.screenshot_dir = config_.upgrade_dir = dir_.path();
    manager_ = std::make_unique<SessionManager>(
        loop_, processes_, config_, std::vector<Share>{{"a", "software", "", 0}}, report_);
  }
  std::string Script(const std::string& name, const std::string& lines, int mode = 0755) {
    std::ofstream(dir_ / name) << "#!/bin/sh\n" << lines;
    std::filesystem::permissions(dir_ / name, static_cast<std::filesystem::perms>(mode));
    return dir_ / name;
  }
  absl::StatusOr<SessionView> Upgrade(const std::string& program) {
    std::optional<absl::StatusOr<SessionView>> result;
    manager_->Upgrade("gpu0", program, [&](absl::StatusOr<SessionView> session) {
      result = std::move(session);
      loop_.Quit();
    });
    while (!result) loop_.Run();
    return *result;
  }
  SessionManager::Config config_;
};

TEST_F(ManagerUpgradeTest, a_refusal_is_an_event_and_counted) {
  const auto before = Create("gpu0");
  ASSERT_TRUE(before.ok()) << before.status();
  const auto refused = Upgrade(Script("newer", "echo 'refused: a test' >&3\nexit 69\n"));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  const auto after = manager_->Get("gpu0");
  EXPECT_EQ(after->backend_pid, before->backend_pid);
  EXPECT_EQ(after->failed_upgrades, 1U);
  EXPECT_EQ(after->events.back().reason, "UpgradeFailed");
  EXPECT_THAT(after->events.back().message, HasSubstr("a test"));
}

TEST_F(ManagerUpgradeTest, without_a_name_it_is_what_lies_in_the_directory_for_upgrades) {
  const auto before = Create("gpu0");
  ASSERT_TRUE(before.ok()) << before.status();
  const std::string newer = Script(
      "rendercar-backend",
      absl::StrCat("kill ", before->backend_pid, "\necho 'taken over 5' >&3\nexec sleep 1000\n"));
  const auto after = Upgrade("");
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->backend_path, newer);
  EXPECT_EQ(after->upgrades, 1U);
  EXPECT_EQ(after->events.back().reason, "BackendUpgraded");
}

TEST_F(ManagerUpgradeTest, a_program_that_others_can_change_is_not_started) {
  ASSERT_TRUE(Create("gpu0").ok());
  const auto refused = Upgrade(Script("newer", "exit 1\n", 0775)).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("not writable by group"));
  EXPECT_EQ(Upgrade("newer").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Upgrade(dir_ / "none").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SessionManagerTest, an_unknown_session_is_not_found) {
  EXPECT_EQ(manager_->Get("nobody").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Delete("nobody").code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace rendercar::sidecar
