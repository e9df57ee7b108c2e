// The supervisor against a backend that misbehaves in one way at a time.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/session/backend_supervisor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
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
