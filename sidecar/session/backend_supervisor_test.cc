// The supervisor against a backend that misbehaves in one way at a time.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/session/backend_supervisor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <vector>

#include "common/epoll_loop.h"
#include "common/temp_dir.h"
#include "common/unix_socket.h"

namespace rendercar::sidecar {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Writes events down, and ends the loop at the one that the test waits for.
class RecordingListener final : public BackendListener {
 public:
  explicit RecordingListener(EpollLoop& loop) : loop_(loop) {}

  void OnStarted(pid_t) override { Add("started"); }
  void OnReady() override { Add("ready"); }
  void OnEnded(const std::string& how, bool was_ready, milliseconds restart_in) override {
    pauses.push_back(restart_in);
    Add("ended: " + how + (was_ready ? "" : " too early"));
  }
  void OnKilled(const std::string& reason) override { Add("killed: " + reason); }
  void OnUpgraded(pid_t, std::chrono::microseconds pause) override {
    Add("upgraded in " + std::to_string(pause.count()) + " us");
  }
  void OnStopped() override { Add("stopped"); }

  // Runs the loop until an event that begins with `prefix` was seen `times` times from now.
  void RunUntil(const std::string& prefix, int times = 1) {
    wanted_ = prefix;
    left_ = times;
    loop_.Run();
  }

  std::vector<std::string> events;
  std::vector<milliseconds> pauses;

 private:
  void Add(const std::string& event) {
    events.push_back(event);
    if (event.rfind(wanted_, 0) == 0 && --left_ == 0) loop_.Quit();
  }

  EpollLoop& loop_;
  std::string wanted_;
  int left_ = 0;
};

class BackendSupervisorTest : public ::testing::Test {
 protected:
  void Make(const std::string& behaviour, milliseconds start_timeout = milliseconds(10'000)) {
    ::setenv("RENDERCAR_FAKE_BACKEND", behaviour.c_str(), 1);
    BackendSupervisor::Config config;
    config.argv = {RENDERCAR_TEST_DIR "/fake_backend", "--socket-path=" + socket_};
    config.socket_path = socket_;
    config.handover_path = dir_ / "handover.sock";
    config.start_timeout = start_timeout;
    config.stop_grace = milliseconds(300);
    config.first_pause = milliseconds(1);
    config.longest_pause = milliseconds(4);
    config.poll = milliseconds(2);
    supervisor_ = std::make_unique<BackendSupervisor>(loop_, processes_, config, listener_);
  }
  void Stop() {
    supervisor_->Stop();
    listener_.RunUntil("stopped");
  }

  const TempDir dir_;
  const std::string socket_ = dir_ / "gpu.sock";
  EpollLoop loop_;
  LocalProcessHost processes_;
  RecordingListener listener_{loop_};
  std::unique_ptr<BackendSupervisor> supervisor_;
};

TEST_F(BackendSupervisorTest, a_good_backend_is_ready_once_it_listens) {
  Make("good");
  ASSERT_TRUE(supervisor_->Start().ok());
  listener_.RunUntil("ready");
  EXPECT_EQ(supervisor_->state(), BackendSupervisor::State::kReady);
  EXPECT_TRUE(ConnectUnix(socket_).ok());
}

TEST_F(BackendSupervisorTest, stop_leaves_neither_process_nor_socket) {
  Make("good");
  ASSERT_TRUE(supervisor_->Start().ok());
  listener_.RunUntil("ready");
  const pid_t pid = supervisor_->pid();
  Stop();
  EXPECT_EQ(::kill(pid, 0), -1);
  EXPECT_TRUE(std::filesystem::is_empty(dir_.path()));
}

TEST_F(BackendSupervisorTest, after_a_vm_went_the_next_one_can_connect_at_once) {
  Make("good");
  ASSERT_TRUE(supervisor_->Start().ok());
  listener_.RunUntil("ready");
  { const auto vm = ConnectUnix(socket_); }
  listener_.RunUntil("ready");
  EXPECT_THAT(listener_.events,
              ElementsAre("started", "ready", "ended: exited with code 0", "started", "ready"));
  EXPECT_THAT(listener_.pauses, ElementsAre(milliseconds(0)));
  EXPECT_EQ(supervisor_->restarts(), 1U);
}

TEST_F(BackendSupervisorTest, a_backend_that_ends_at_once_is_retried_with_growing_pauses) {
  Make("ends-at-once");
  ASSERT_TRUE(supervisor_->Start().ok());
  listener_.RunUntil("ended: exited with code 69 too early", 4);
  EXPECT_THAT(listener_.pauses,
              ElementsAre(milliseconds(1), milliseconds(2), milliseconds(4), milliseconds(4)));
}

TEST_F(BackendSupervisorTest, a_crash_is_told_with_its_signal) {
  Make("crashes-at-once");
  ASSERT_TRUE(supervisor_->Start().ok());
  listener_.RunUntil("ended");
  EXPECT_THAT(listener_.events.back(), HasSubstr("was killed by signal 6"));
}

TEST_F(BackendSupervisorTest, a_crash_with_a_vm_is_followed_by_a_new_backend) {
  Make("crashes-with-client");
  ASSERT_TRUE(supervisor_->Start().ok());
  listener_.RunUntil("ready");
  { const auto vm = ConnectUnix(socket_); }
  listener_.RunUntil("ready");
  EXPECT_EQ(listener_.pauses.front(), milliseconds(1));
}

TEST_F(BackendSupervisorTest, a_backend_that_never_listens_is_killed) {
  Make("never-listens", milliseconds(20));
  ASSERT_TRUE(supervisor_->Start().ok());
  listener_.RunUntil("ended");
  EXPECT_THAT(listener_.events, ElementsAre("started", HasSubstr("killed: it did not listen on"),
                                            HasSubstr("ended: was killed by signal 9")));
}

TEST_F(BackendSupervisorTest, a_backend_that_ignores_sigterm_is_killed_after_the_grace) {
  Make("ignores-sigterm");
  ASSERT_TRUE(supervisor_->Start().ok());
  listener_.RunUntil("ready");
  Stop();
  EXPECT_THAT(listener_.events,
              ElementsAre("started", "ready", "killed: it ignored SIGTERM for 300 ms", "stopped"));
  EXPECT_TRUE(std::filesystem::is_empty(dir_.path()));
}

TEST_F(BackendSupervisorTest, stop_during_a_pause_starts_nothing_more) {
  Make("ends-at-once");
  ASSERT_TRUE(supervisor_->Start().ok());
  listener_.RunUntil("ended");
  Stop();
  EXPECT_EQ(listener_.events.back(), "stopped");
  EXPECT_EQ(supervisor_->pid(), 0);
}

TEST_F(BackendSupervisorTest, a_program_that_is_not_there_fails_the_start) {
  BackendSupervisor::Config config;
  config.argv = {"/nonexistent/backend"};
  BackendSupervisor supervisor(loop_, processes_, config, listener_);
  EXPECT_EQ(supervisor.Start().code(), absl::StatusCode::kNotFound);
}

// A newer backend that is a shell script: what it does instead of taking over.
class UpgradeTest : public BackendSupervisorTest {
 protected:
  void StartGood(milliseconds start_timeout = milliseconds(10'000)) {
    Make("good", start_timeout);
    ASSERT_TRUE(supervisor_->Start().ok());
    listener_.RunUntil("ready");
    old_ = supervisor_->pid();
  }
  std::string Script(const std::string& lines) {
    const std::string path = dir_ / "newer";
    std::ofstream(path) << "#!/bin/sh\necho \"$@\" > " << (dir_ / "arguments") << "\n" << lines;
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
  }
  absl::StatusOr<std::chrono::microseconds> Upgrade(const std::string& program) {
    std::optional<absl::StatusOr<std::chrono::microseconds>> result;
    supervisor_->Upgrade(program, [&](auto outcome) {
      result = std::move(outcome);
      loop_.Quit();
    });
    while (!result) loop_.Run();
    return *result;
  }
  std::string KillOld() const { return absl::StrCat("kill ", old_, "\n"); }
  static constexpr char kTakeOver[] = "echo 'taken over 1234' >&3\nexec sleep 1000\n";

  pid_t old_ = 0;
};

TEST_F(UpgradeTest, what_took_over_is_the_backend_and_runs_again_after_its_vm) {
  StartGood();
  const std::string newer = Script(KillOld() + kTakeOver);
  const auto pause = Upgrade(newer);
  ASSERT_TRUE(pause.ok()) << pause.status();
  EXPECT_EQ(pause->count(), 1234);
  EXPECT_NE(supervisor_->pid(), old_);
  EXPECT_EQ(supervisor_->state(), BackendSupervisor::State::kReady);
  EXPECT_EQ(supervisor_->restarts(), 0U);
  EXPECT_EQ(supervisor_->program(), newer);
  EXPECT_EQ(listener_.events.back(), "upgraded in 1234 us");
  Script("exit 3\n");
  ::kill(supervisor_->pid(), SIGKILL);
  listener_.RunUntil("ended: exited with code 3");
}

TEST_F(UpgradeTest, it_is_told_where_to_take_over_and_all_flags) {
  StartGood();
  ASSERT_TRUE(Upgrade(Script(KillOld() + kTakeOver)).ok());
  std::string arguments;
  std::getline(std::ifstream(dir_ / "arguments"), arguments);
  EXPECT_EQ(arguments, absl::StrCat("--socket-path=", socket_, " --take-over=", dir_.path(),
                                    "/handover.sock --status-fd=3"));
}

TEST_F(UpgradeTest, a_refusal_comes_back_in_its_words_and_the_old_one_goes_on) {
  StartGood();
  const auto refused = Upgrade(Script("echo 'refused: no such luck' >&3\nexit 69\n")).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_EQ(refused.message(), "no such luck");
  EXPECT_EQ(supervisor_->pid(), old_);
  EXPECT_EQ(listener_.events.back(), "ready");
  EXPECT_TRUE(Upgrade(Script(KillOld() + kTakeOver)).ok());
}

TEST_F(UpgradeTest, one_that_crashes_is_told_with_its_end) {
  StartGood();
  const auto failed = Upgrade(Script("kill -SEGV $$\n")).status();
  EXPECT_TRUE(absl::IsUnavailable(failed)) << failed;
  EXPECT_THAT(std::string(failed.message()), HasSubstr("was killed by signal 11"));
  EXPECT_EQ(supervisor_->pid(), old_);
}

TEST_F(UpgradeTest, one_that_says_nothing_is_ended) {
  StartGood(milliseconds(300));
  const auto failed = Upgrade(Script("exec sleep 1000\n")).status();
  EXPECT_THAT(std::string(failed.message()), HasSubstr("said nothing for 300 ms"));
  EXPECT_EQ(supervisor_->pid(), old_);
}

TEST_F(UpgradeTest, a_vm_that_goes_meanwhile_gets_a_new_backend_as_always) {
  StartGood();
  const auto failed =
      Upgrade(Script(KillOld() + "sleep 0.1\necho 'refused: it is gone' >&3\nexit 69\n")).status();
  EXPECT_FALSE(failed.ok());
  if (listener_.events.back() != "ready") listener_.RunUntil("ended: exited with code 69");
}

TEST_F(UpgradeTest, the_end_of_one_is_not_waited_for_during_the_next) {
  StartGood();
  const std::string told_first = "echo 'taken over 1234' >&3\nsleep 0.05\n";
  ASSERT_TRUE(Upgrade(Script(told_first + KillOld() + "exec sleep 1000\n")).ok());
  const pid_t second = supervisor_->pid();
  // Longer than the grace that the first one's predecessor had.
  EXPECT_FALSE(Upgrade(Script("sleep 0.8\necho 'refused: late' >&3\nexit 69\n")).ok());
  EXPECT_EQ(supervisor_->pid(), second);
  EXPECT_EQ(listener_.events.back(), "upgraded in 1234 us");
}

TEST_F(UpgradeTest, only_one_at_a_time) {
  StartGood();
  bool first_done = false;
  supervisor_->Upgrade(Script("exec sleep 1000\n"), [&](const auto&) { first_done = true; });
  const auto second = Upgrade(Script(kTakeOver)).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(second)) << second;
  Stop();
  EXPECT_TRUE(first_done);
}

TEST_F(UpgradeTest, a_program_that_is_not_there_is_named) {
  StartGood();
  EXPECT_TRUE(absl::IsNotFound(Upgrade("/nonexistent/backend").status()));
}

TEST_F(UpgradeTest, a_control_process_that_finds_two_goes_on_with_the_one_that_stays) {
  Make("good");
  const auto start = [this](const std::string& command) {
    ChildRequest request;
    request.argv = {"/bin/sh", "-c", command};
    return *processes_.Start(request);
  };
  auto older = start("sleep 0.2");
  auto newer = start("exec sleep 1000");
  const pid_t stays = newer->pid();
  supervisor_->Adopt(std::move(older), /*listened=*/true, 0, std::move(newer));
  listener_.RunUntil("upgraded");
  EXPECT_EQ(supervisor_->pid(), stays);
}

TEST_F(BackendSupervisorTest, a_dropped_supervisor_leaves_no_process) {
  Make("ignores-sigterm");
  ASSERT_TRUE(supervisor_->Start().ok());
  listener_.RunUntil("ready");
  const pid_t pid = supervisor_->pid();
  supervisor_.reset();
  EXPECT_EQ(::kill(pid, 0), -1);
}

}  // namespace
}  // namespace rendercar::sidecar
