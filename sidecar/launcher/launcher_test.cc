// The launcher with a control process that tests can be: children and notes outlive it.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/launcher/launcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "common/temp_dir.h"
#include "common/unix_socket.h"
#include "sidecar/session/socket_probe.h"

namespace rendercar::launcher {
namespace {

using std::chrono::milliseconds;
using std::chrono_literals::operator""s;
using ::testing::HasSubstr;

// The programs as a container starts them.
class LauncherProgramTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ::setenv("RENDERCAR_FAKE_BACKEND", "good", 1);
    std::filesystem::create_directory(dir_ / "s");
  }
  std::string Read(const std::string& name) {
    std::ostringstream text;
    text << std::ifstream(dir_ / name).rdbuf();
    return text.str();
  }
  Subprocess Shell(const std::string& command, const std::string& log) {
    auto child = Subprocess::Start(
        {.argv = {"/bin/sh", "-c", "exec " + command + " > " + (dir_ / log) + " 2>&1"}});
    RC_CHECK(child.ok(), "tests need /bin/sh");
    return std::move(*child);
  }
  Subprocess Launch(const std::string& more, const std::string& log = "log") {
    return Shell(
        std::string(RENDERCAR_BIN_DIR "/rendercar-launcher " RENDERCAR_BIN_DIR
                                      "/rendercar-sidecar --share=hand-0 --session-dir=") +
            dir_.path() + "/s --socket-dir=" + dir_.path() + "/s --control-socket=" + dir_.path() +
            "/s/control.sock --metrics-address=off --backend=" RENDERCAR_TEST_DIR "/fake_backend " +
            more,
        log);
  }
  std::string Ctl(const std::string& arguments) {
    Subprocess ctl = Shell(
        RENDERCAR_BIN_DIR "/rendercarctl --socket=" + (dir_ / "s/control.sock") + " " + arguments,
        "ctl");
    ctl.Wait(30s);
    return Read("ctl");
  }
  void WaitFor(const std::string& text, size_t times = 1) {
    for (;;) {
      const std::string log = Read("log");
      size_t found = 0;
      for (size_t at = log.find(text); at != std::string::npos; at = log.find(text, at + 1))
        ++found;
      if (found >= times) return;
      std::this_thread::sleep_for(milliseconds(5));
    }
  }
  // The control process: the launcher's child that is the sidecar.
  pid_t ControlOf(const Subprocess& launcher) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      std::ifstream stat(entry.path() / "stat");
      pid_t pid = 0;
      pid_t parent = 0;
      std::string name;
      std::string state;
      if (stat >> pid >> name >> state >> parent && parent == launcher.pid() &&
          name == "(rendercar-sidec)" && state != "Z") {
        return pid;
      }
    }
    return 0;
  }
  void KillControl(const Subprocess& launcher, size_t time) {
    pid_t control = 0;
    while ((control = ControlOf(launcher)) == 0) std::this_thread::sleep_for(milliseconds(2));
    ::kill(control, SIGKILL);
    WaitFor("sidecar serves", time + 1);
  }

  const TempDir dir_;
};

TEST_F(LauncherProgramTest, sessions_go_on_while_the_control_process_is_killed_again_and_again) {
  Subprocess launcher = Launch("--create-session=gpu0");
  WaitFor("backend listens");
  const auto vm = ConnectUnix(dir_ / "s/gpu0.sock");
  ASSERT_TRUE(vm.ok());
  const std::string before = Ctl("sessions get gpu0 -o json");
  for (size_t time = 1; time <= 5; ++time) KillControl(launcher, time);
  const std::string after = Ctl("sessions get gpu0 -o json");
  const auto pid_line = [](const std::string& json) {
    return json.substr(json.find("\"backend_pid\""), 30);
  };
  EXPECT_EQ(pid_line(before), pid_line(after)) << after << Read("log");
  EXPECT_THAT(after, HasSubstr("ControlProcessRestarted"));
  char byte = 0;
  EXPECT_EQ(::recv(vm->get(), &byte, 1, MSG_DONTWAIT), -1);  // neither bytes nor the end
  EXPECT_EQ(errno, EAGAIN);
  launcher.Signal(SIGTERM);
  const auto end = launcher.Wait(30s);
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(end->clean()) << end->ToString() << Read("log");
  EXPECT_TRUE(std::filesystem::is_empty(dir_ / "s"));
}

TEST_F(LauncherProgramTest, a_backend_that_ends_while_nobody_controls_it_is_started_again) {
  Subprocess launcher = Launch("--create-session=gpu0");
  WaitFor("backend listens");
  const pid_t control = ControlOf(launcher);
  ::kill(control, SIGSTOP);
  { const auto vm = ConnectUnix(dir_ / "s/gpu0.sock"); }  // a backend ends with its VM
  while (sidecar::IsListening(dir_ / "s/gpu0.sock")) std::this_thread::sleep_for(milliseconds(2));
  ::kill(control, SIGKILL);
  WaitFor("backend listens", 2);
  EXPECT_THAT(Ctl("sessions get gpu0"), HasSubstr("Restarts:      1"));
}

TEST_F(LauncherProgramTest, a_deleted_session_does_not_come_back) {
  Subprocess launcher = Launch("--create-session=gpu0");
  WaitFor("backend listens");
  Ctl("sessions delete gpu0");
  KillControl(launcher, 1);
  EXPECT_THAT(Ctl("sessions list -o json"), HasSubstr("\"sessions\": []"));
}

TEST_F(LauncherProgramTest, a_control_process_that_ends_by_itself_ends_the_launcher) {
  Subprocess launcher = Launch("--display=sideways");
  const auto end = launcher.Wait(30s);
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->code, 64);
}

TEST_F(LauncherProgramTest, a_missing_program_is_one_sentence) {
  Subprocess launcher = Shell(RENDERCAR_BIN_DIR "/rendercar-launcher /nonexistent", "log");
  EXPECT_EQ(launcher.Wait(30s)->code, 69);
  EXPECT_THAT(Read("log"), HasSubstr("cannot start '/nonexistent'"));
  Subprocess nothing = Shell(RENDERCAR_BIN_DIR "/rendercar-launcher", "log");
  EXPECT_EQ(nothing.Wait(30s)->code, 64);
}

}  // namespace
}  // namespace rendercar::launcher
