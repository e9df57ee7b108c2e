// The sidecar's program as people and pods start it, with rendercarctl beside it: what works, and
// that each wrong input ends in one sentence, its exit code, and nothing left behind.
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "common/subprocess.h"
#include "common/temp_dir.h"
#include "common/unix_socket.h"
#include "sidecar/session/socket_probe.h"

namespace rendercar::sidecar {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using std::chrono_literals::operator""s;

struct Result {
  int code = -1;
  std::string output;  // stdout and stderr
};

class ProgramTest : public ::testing::Test {
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
  std::vector<std::string> Left() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(dir_ / "s"))
      names.push_back(entry.path().filename());
    return names;
  }
  // Flags that work, then `more`, which win.
  std::string Command(const std::string& more) {
    return std::string("exec " RENDERCAR_BIN_DIR
                       "/rendercar-sidecar --share=hand-0 --session-dir=") +
           dir_.path() + "/s --socket-dir=" + dir_.path() + "/s --control-socket=" + dir_.path() +
           "/s/control.sock --metrics-address=off --backend=" RENDERCAR_TEST_DIR "/fake_backend " +
           more;
  }
  Subprocess Start(const std::string& shell, const std::string& log) {
    auto child =
        Subprocess::Start({.argv = {"/bin/sh", "-c", shell + " > " + (dir_ / log) + " 2>&1"}});
    RC_CHECK(child.ok(), "tests need /bin/sh");
    return std::move(*child);
  }
  Result Run(const std::string& shell) {
    Subprocess child = Start(shell, "output");
    const auto end = child.Wait(30s);
    return {end ? end->code : -1, Read("output")};
  }
  Result Ctl(const std::string& arguments) {
    return Run("exec " RENDERCAR_BIN_DIR "/rendercarctl --socket=" + (dir_ / "s/control.sock") +
               " " + arguments);
  }
  // A sidecar that serves.
  Subprocess Serve(const std::string& more) {
    Subprocess sidecar = Start(Command(more), "log");
    while (!IsListening(dir_ / "s/control.sock") && !sidecar.Wait(std::chrono::milliseconds(5))) {
    }
    return sidecar;
  }
  void WaitFor(const std::string& text) {
    while (Read("log").find(text) == std::string::npos)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  // One sentence with the program's name, `part` in it, this exit code, and no file.
  void ExpectFailure(const std::string& flags, int code, const std::string& part) {
    const Result result = Run(Command(flags));
    EXPECT_EQ(result.code, code) << result.output;
    EXPECT_THAT(result.output, HasSubstr("rendercar-sidecar: ")) << flags;
    EXPECT_THAT(result.output, HasSubstr(part));
    EXPECT_THAT(Left(), IsEmpty());
  }

  const TempDir dir_;
};

TEST_F(ProgramTest, serves_a_session_and_takes_everything_away_at_sigterm) {
  Subprocess sidecar = Serve("--create-session=gpu0");
  WaitFor("backend listens");
  EXPECT_TRUE(std::filesystem::exists(dir_ / "s/gpu0.sock"));
  EXPECT_THAT(Read("s/vhost-user/40-rendercar-gpu.json"), HasSubstr("\"type\": \"gpu\""));
  sidecar.Signal(SIGTERM);
  const auto end = sidecar.Wait(30s);
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(end->clean()) << end->ToString() << Read("log");
  EXPECT_THAT(Left(), IsEmpty());
}

TEST_F(ProgramTest, sessions_are_made_shown_defined_and_deleted_by_rendercarctl) {
  const Subprocess sidecar = Serve("");
  EXPECT_EQ(Ctl("sessions create gpu0 --heads=2").code, 0);
  EXPECT_THAT(Ctl("sessions list").output, HasSubstr("gpu0  ready  hand-0  software"));
  EXPECT_THAT(Ctl("sessions get gpu0 -o yaml").output, HasSubstr("heads: 2\n"));
  EXPECT_THAT(Ctl("define gpu0 --guest-memory=1GiB").output,
              HasSubstr("share=on,size=1073741824 -machine memory-backend="));
  EXPECT_THAT(Ctl("define gpu0 -o json").output, HasSubstr("\"-device\""));
  EXPECT_THAT(Ctl("info").output, HasSubstr("hand-0  software  no limit      gpu0"));
  EXPECT_THAT(Ctl("info").output, HasSubstr("RenderNodeNotOpenable  pass"));
  EXPECT_THAT(Ctl("preflight").output, HasSubstr("RenderNodeNotOpenable  pass"));
  EXPECT_EQ(Ctl("sessions delete gpu0").code, 0);
  EXPECT_THAT(Ctl("sessions list -o json").output, HasSubstr("\"sessions\": []"));
}

TEST_F(ProgramTest, what_rendercarctl_is_refused_has_a_sentence_and_a_code) {
  const Subprocess sidecar = Serve("--create-session=gpu0");
  WaitFor("backend listens");
  const Result missing = Ctl("sessions get nobody");
  EXPECT_EQ(missing.code, 69);
  EXPECT_THAT(missing.output, StartsWith("rendercarctl: session 'nobody' does not exist"));
  EXPECT_EQ(Ctl("sessions get ../x").code, 64);
  EXPECT_EQ(Ctl("sessions create gpu0").code, 73);
  EXPECT_EQ(Ctl("sessions create gpu1").code, 71);
  EXPECT_EQ(Ctl("sessions create gpu1 --share=z").code, 69);
  EXPECT_EQ(Ctl("sessions create gpu1 --resolution=big").code, 64);
  EXPECT_EQ(Ctl("sessions frobnicate").code, 64);
  EXPECT_EQ(Ctl("-o xml info").code, 64);
}

TEST_F(ProgramTest, rendercarctl_without_a_sidecar_says_what_to_do) {
  const Result result = Ctl("info");
  EXPECT_EQ(result.code, 69);
  EXPECT_THAT(result.output, HasSubstr("is rendercar-sidecar or rendercar-node running here?"));
}

TEST_F(ProgramTest, a_stranger_is_turned_away) {
  if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: needs root, to become somebody else";
  ::chmod(dir_.path().c_str(), 0755);
  const Subprocess sidecar = Serve("");
  const Result result =
      Run("exec setpriv --reuid=65534 --regid=65534 --clear-groups " RENDERCAR_BIN_DIR
          "/rendercarctl --socket=" +
          (dir_ / "s/control.sock") + " info");
  EXPECT_NE(result.code, 0);
  EXPECT_THAT(Read("log"), HasSubstr("uid=65534"));
}

TEST_F(ProgramTest, an_allowed_uid_is_let_in) {
  if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: needs root, to become somebody else";
  ::chmod(dir_.path().c_str(), 0755);
  const Subprocess sidecar = Serve("--allow-uid=65534");
  const Result result =
      Run("exec setpriv --reuid=65534 --regid=65534 --clear-groups " RENDERCAR_BIN_DIR
          "/rendercarctl --socket=" +
          (dir_ / "s/control.sock") + " info");
  EXPECT_EQ(result.code, 0) << result.output;
}

TEST_F(ProgramTest, a_killed_backend_is_started_again) {
  const Subprocess sidecar = Serve("--create-session=gpu0");
  WaitFor("backend listens");
  { const auto vm = ConnectUnix(dir_ / "s/gpu0.sock"); }
  WaitFor("backend ended");
  while (Ctl("sessions list").output.find("ready") == std::string::npos) {
  }
  EXPECT_THAT(Ctl("sessions get gpu0").output, HasSubstr("Restarts:      1"));
}

TEST_F(ProgramTest, wrong_flags) {
  ExpectFailure("--frobnicate", 64, "--frobnicate");
  ExpectFailure("--display=sideways", 64, "sideways");
  ExpectFailure("--resolution=big", 64, "write WIDTHxHEIGHT");
  ExpectFailure("--create-session=Gpu_0", 64, "session name 'Gpu_0' is wrong");
  ExpectFailure("--metrics-address=nowhere", 64, "write HOST:PORT");
  ExpectFailure("--create-session=gpu0 --heads=99", 64, "display.heads is 99");
}

TEST_F(ProgramTest, missing_things) {
  ExpectFailure("--render-node=/dev/dri/renderD999", 69, "render node '/dev/dri/renderD999'");
  ExpectFailure("--render-node=/etc/passwd", 64, "is no device");
  ExpectFailure("--socket-dir=/nonexistent/dir", 69, "does not exist; create it");
  ExpectFailure("--session-dir=/nonexistent/dir", 69, "session directory of share 'hand-0'");
  ExpectFailure("--control-socket=/nonexistent/dir/a.sock", 69, "--control-socket");
  ExpectFailure("--backend=/nonexistent/backend", 69, "backend program");
  ExpectFailure("--vhost-user-json-dir=/nonexistent/dir", 69, "vhost-user JSON directory");
}

TEST_F(ProgramTest, a_share_that_allocate_did_not_give) {
  ::setenv("RENDERCAR_SHARE_IDS", "software-0", 1);
  ::setenv("RENDERCAR_RENDER_NODES", "software", 1);
  ExpectFailure("--share=software-9", 69, "share 'software-9' does not exist here");
  ::unsetenv("RENDERCAR_SHARE_IDS");
  ::unsetenv("RENDERCAR_RENDER_NODES");
}

TEST_F(ProgramTest, socket_paths_that_are_too_long) {
  const std::string name(108, 'x');
  ExpectFailure("--control-socket=" + (dir_ / name), 64, "Linux takes at most 107");
  const std::string deep = dir_ / std::string(95, 'd');
  std::filesystem::create_directory(deep);
  ExpectFailure("--create-session=gpu0 --socket-dir=" + deep, 64, "Linux takes at most 107");
}

TEST_F(ProgramTest, a_directory_that_is_not_writable) {
  ::chmod((dir_ / "s").c_str(), 0555);
  // Without capabilities root, too, needs the permission; and it can still run a program in /root.
  const std::string drop = ::geteuid() == 0 ? "setpriv --inh-caps=-all --bounding-set=-all " : "";
  const Result result = Run("exec " + drop + "sh -c '" + Command("") + "'");
  ::chmod((dir_ / "s").c_str(), 0755);
  EXPECT_EQ(result.code, 77) << result.output;
  EXPECT_THAT(result.output, HasSubstr("is not writable by uid "));
  EXPECT_THAT(Left(), IsEmpty());
}

TEST_F(ProgramTest, a_control_socket_in_use) {
  const auto other = UnixListener::Listen(dir_ / "other.sock");
  ASSERT_TRUE(other.ok());
  ExpectFailure("--control-socket=" + (dir_ / "other.sock"), 73, "another process listens on");
}

TEST_F(ProgramTest, a_first_session_whose_backend_fails) {
  ::setenv("RENDERCAR_FAKE_BACKEND", "ends-at-once", 1);
  ExpectFailure("--create-session=gpu0", 69, "exited with code 69 before it listened");
}

TEST_F(ProgramTest, define_prints_every_format_and_changes_a_domain) {
  const std::string define = "exec " RENDERCAR_BIN_DIR "/rendercar-sidecar define ";
  EXPECT_THAT(Run(define).output, StartsWith("-object memory-backend-memfd"));
  EXPECT_THAT(Run(define + "--format=libvirt-shim").output, HasSubstr("name=\"vhostuser\""));
  EXPECT_THAT(Run(define + "--format=vhost-user-json --binary=/x").output,
              HasSubstr("\"binary\": \"/x\""));
  EXPECT_THAT(Run("echo '<domain><a/></domain>' | " RENDERCAR_BIN_DIR
                  "/rendercar-sidecar define --format=kubevirt --domain=-")
                  .output,
              HasSubstr("<a/><memoryBacking>"));
}

TEST_F(ProgramTest, define_refuses_what_cannot_be) {
  const std::string define = "exec " RENDERCAR_BIN_DIR "/rendercar-sidecar define ";
  EXPECT_EQ(Run(define + "--format=xml").code, 64);
  EXPECT_EQ(Run(define + "--domain=/dev/null").code, 64);
  EXPECT_EQ(Run(define + "--format=kubevirt --domain=/nonexistent").code, 69);
  EXPECT_EQ(Run(define + "--heads=0").code, 64);
  EXPECT_THAT(Run(define + "--socket-path=/" + std::string(107, 'x')).output,
              HasSubstr("has 108 bytes"));
  EXPECT_THAT(Run(define + "--format=vhost-user-json --binary=backend").output,
              HasSubstr("program (--binary) 'backend' is no absolute path"));
  EXPECT_THAT(Run(define + "--render-node=renderD128").output, HasSubstr("(--render-node)"));
}

TEST_F(ProgramTest, vhost_user_json_is_installed_listed_checked_and_removed) {
  const std::string json = "exec " RENDERCAR_BIN_DIR "/rendercar-sidecar vhost-user-json ";
  const std::string dir = " --dir=" + (dir_ / "s");
  EXPECT_EQ(Run(json + "install --binary=/bin/true" + dir).code, 0);
  EXPECT_THAT(Run(json + "list" + dir).output, HasSubstr("active  gpu"));
  const Result check = Run(json + "check" + dir);
  EXPECT_EQ(check.code, 78);
  EXPECT_THAT(check.output, HasSubstr("printed no JSON object"));
  EXPECT_EQ(Run(json + "remove" + dir).code, 0);
  EXPECT_THAT(Left(), IsEmpty());
}

TEST_F(ProgramTest, a_file_of_somebody_else_is_not_replaced) {
  std::ofstream(dir_ / "s/40-rendercar-gpu.json") << R"({"type":"gpu","binary":"/x"})";
  const std::string json = "exec " RENDERCAR_BIN_DIR "/rendercar-sidecar vhost-user-json ";
  const std::string dir = " --dir=" + (dir_ / "s");
  EXPECT_EQ(Run(json + "install --binary=/bin/true" + dir).code, 73);
  EXPECT_EQ(Run(json + "remove" + dir).code, 73);
  EXPECT_EQ(Run(json + "remove --force" + dir).code, 0);
}

TEST_F(ProgramTest, a_json_file_stays_in_its_directory_and_names_a_program_by_its_whole_path) {
  const std::string json = "exec " RENDERCAR_BIN_DIR "/rendercar-sidecar vhost-user-json ";
  const std::string dir = " --dir=" + (dir_ / "s");
  EXPECT_THAT(Run(json + "install --binary=/bin/true --name=../x.json" + dir).output,
              HasSubstr("(--name) has a '/'"));
  EXPECT_THAT(Run(json + "install --binary=true" + dir).output, HasSubstr("no absolute path"));
  EXPECT_THAT(Run(json + "remove --name=../x.json" + dir).output, HasSubstr("--name"));
  EXPECT_THAT(Run(json + "remove" + dir).output, HasSubstr("there is no '"));
  EXPECT_THAT(Left(), IsEmpty());
}

TEST_F(ProgramTest, preflight_tells_all_checks_though_one_cannot_look) {
  const std::string preflight = "exec " RENDERCAR_BIN_DIR "/rendercar-sidecar preflight ";
  const Result wrong = Run(preflight + "--qemu=qemu-system-none --render-node=software");
  EXPECT_EQ(wrong.code, 69);
  EXPECT_THAT(wrong.output, HasSubstr("give QEMU's whole path"));
  EXPECT_THAT(wrong.output, HasSubstr("pass --share=ID"));
  EXPECT_THAT(wrong.output, HasSubstr("SocketPathTooLong"));
}

TEST_F(ProgramTest, preflight_names_what_is_wrong) {
  const std::string preflight = "exec " RENDERCAR_BIN_DIR "/rendercar-sidecar preflight ";
  EXPECT_THAT(Run(preflight + "--share=hand-0").output, HasSubstr("pass  RenderNodeNotOpenable"));
  const Result wrong = Run(preflight + "--share=hand-0 --render-node=/dev/dri/renderD999");
  EXPECT_EQ(wrong.code, 69);
  EXPECT_THAT(wrong.output, HasSubstr("FAIL  RenderNodeNotOpenable"));
  EXPECT_THAT(Run(preflight + "--share=hand-0 --qemu=/bin/echo").output,
              HasSubstr("FAIL  LauncherUnsupported"));
}

TEST_F(ProgramTest, a_shim_and_sessions_exclude_each_other) {
  ExpectFailure("--create-session=gpu0 --shim-socket=" + (dir_ / "s/shim.sock"), 64,
                "--shim-socket and --create-session");
}

TEST_F(ProgramTest, the_json_of_a_served_shim_names_the_shim) {
  Subprocess sidecar = Serve("--shim-socket=" + (dir_ / "s/shim.sock"));
  WaitFor("sidecar serves");
  EXPECT_THAT(Read("s/vhost-user/40-rendercar-gpu.json"), HasSubstr("/rendercar-shim\""));
  sidecar.Signal(SIGTERM);
  ASSERT_TRUE(sidecar.Wait(30s).has_value());
  EXPECT_THAT(Left(), IsEmpty());
}

TEST_F(ProgramTest, help_shows_examples_and_fits_80_columns) {
  for (const char* program : {"rendercarctl", "rendercar-sidecar"}) {
    const Result result = Run(std::string("exec " RENDERCAR_BIN_DIR "/") + program + " --help");
    EXPECT_EQ(result.code, 0);
    EXPECT_THAT(result.output, HasSubstr("Examples:"));
    EXPECT_THAT(result.output, Not(::testing::ContainsRegex("\n[^\n]{81}")));
  }
}

}  // namespace
}  // namespace rendercar::sidecar
