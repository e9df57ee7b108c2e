// The shim's program against the sidecar's server, as libvirt spawns it.
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "common/epoll_loop.h"
#include "common/temp_dir.h"
#include "sidecar/shim/shim_protocol.h"
#include "sidecar/shim/shim_server.h"

namespace rendercar::sidecar {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

class ShimTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ::setenv("RENDERCAR_SHIM_SOCKET", (dir_ / "shim.sock").c_str(), 1);
    ::setenv("RENDERCAR_SHIM_LOG", (dir_ / "log").c_str(), 1);
  }
  // A backend that writes its command line down and then does `rest`.
  void Serve(const std::string& rest, bool allow = true) {
    const std::string backend = dir_ / "backend";
    std::ofstream(backend) << "#!/bin/sh\necho \"$@\" > " << (dir_ / "argv.new") << "\nmv "
                           << (dir_ / "argv.new") << " " << (dir_ / "argv") << "\n"
                           << rest << "\n";
    ::chmod(backend.c_str(), 0755);
    auto server = ShimServer::Start(loop_, processes_,
                                    {dir_ / "shim.sock",
                                     backend,
                                     {{"s", "/dev/dri/renderD128", "", 0}},
                                     [allow](uid_t) { return allow; }},
                                    recovered_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = std::move(*server);
  }
  // As libvirt does: a socket pair, one end for the helper.
  Subprocess Spawn(const std::vector<std::string>& flags) {
    auto pair = CreateSocketPair(SOCK_STREAM);
    RC_CHECK(pair.ok(), "tests need sockets");
    qemu_ = std::move(pair->a);
    std::vector<std::string> argv{RENDERCAR_BIN_DIR "/rendercar-shim", "--fd=7"};
    argv.insert(argv.end(), flags.begin(), flags.end());
    auto shim = Subprocess::Start({.argv = argv, .fds = {{pair->b.get(), 7}}});
    RC_CHECK(shim.ok(), "the shim is built beside this test");
    return std::move(*shim);
  }
  // Runs the loop until `done`.
  void RunUntil(const std::function<bool()>& done) {
    if (done()) return;
    Task check = [this, &done] {
      if (done()) {
        loop_.Quit();
      } else {
        loop_.PostAfter(milliseconds(5), [this, &done] { Again(done); });
      }
    };
    loop_.Post(std::move(check));
    loop_.Run();
  }
  void Again(const std::function<bool()>& done) {
    if (done()) {
      loop_.Quit();
    } else {
      loop_.PostAfter(milliseconds(5), [this, &done] { Again(done); });
    }
  }
  std::optional<ChildEnd> RunToEnd(Subprocess& shim) {
    std::optional<ChildEnd> end;
    RunUntil([&] {
      end = shim.Wait(milliseconds(0));
      return end.has_value();
    });
    return end;
  }
  std::string Read(const std::string& name) {
    std::ostringstream text;
    text << std::ifstream(dir_ / name).rdbuf();
    return text.str();
  }

  const TempDir dir_;
  EpollLoop loop_;
  LocalProcessHost processes_;
  Recovered recovered_;
  std::unique_ptr<ShimServer> server_;
  UniqueFd qemu_;
};

TEST_F(ShimTest, the_backend_gets_the_socket_and_the_sidecars_render_node) {
  Serve("printf x >&3");
  Subprocess shim = Spawn({"--virgl"});
  const auto end = RunToEnd(shim);
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(end->clean()) << end->ToString() << Read("log");
  EXPECT_EQ(Read("argv"), "--fd=3 --session=shim-1 --virgl --render-node=/dev/dri/renderD128\n");
  char byte = 0;
  EXPECT_EQ(::read(qemu_.get(), &byte, 1), 1);
  EXPECT_EQ(byte, 'x');
  EXPECT_THAT(Read("log"), HasSubstr("ended: exited with code 0"));
}

TEST_F(ShimTest, a_render_node_of_libvirts_is_left_to_the_sidecar) {
  Serve("true");
  Subprocess shim = Spawn({"--virgl", "--render-node=/dev/dri/renderD7"});
  EXPECT_TRUE(RunToEnd(shim)->clean()) << Read("log");
  EXPECT_THAT(Read("argv"), HasSubstr("--render-node=/dev/dri/renderD128"));
  EXPECT_THAT(Read("log"), HasSubstr("not /dev/dri/renderD7"));
}

// libvirt ends its helpers with SIGTERM, and with SIGKILL if that was not enough.
class ShimEndTest : public ShimTest, public ::testing::WithParamInterface<int> {};

TEST_P(ShimEndTest, a_killed_shim_takes_its_backend_along) {
  Serve("exec sleep 1000");
  Subprocess shim = Spawn({});
  RunUntil([&] { return !Read("argv").empty(); });
  shim.Signal(GetParam());
  char byte = 0;
  RunUntil([&] { return ::recv(qemu_.get(), &byte, 1, MSG_DONTWAIT) == 0; });
  ASSERT_TRUE(shim.Wait(seconds(10)).has_value());
}

INSTANTIATE_TEST_SUITE_P(OfLibvirt, ShimEndTest, ::testing::Values(SIGTERM, SIGKILL));

TEST_F(ShimTest, a_second_vm_on_the_only_share_is_refused_in_the_log) {
  Serve("exec sleep 1000");
  const Subprocess first = Spawn({});
  RunUntil([&] { return !Read("argv").empty(); });
  const UniqueFd first_qemu = std::move(qemu_);
  Subprocess second = Spawn({});
  EXPECT_EQ(RunToEnd(second)->code, 69);
  EXPECT_THAT(Read("log"), HasSubstr("failed: every share is used by a VM"));
}

TEST_F(ShimTest, a_stranger_is_refused) {
  Serve("true", /*allow=*/false);
  Subprocess shim = Spawn({});
  EXPECT_EQ(RunToEnd(shim)->code, 69);
  EXPECT_EQ(Read("argv"), "");
}

TEST_F(ShimTest, without_a_sidecar_the_log_says_so) {
  Subprocess shim = Spawn({});
  const auto end = shim.Wait(seconds(10));
  EXPECT_EQ(end->code, 69);
  EXPECT_THAT(Read("log"), HasSubstr("is rendercar-sidecar running with --shim-socket there?"));
}

// As when the backend ends before the shim had time to read that it started.
TEST_F(ShimTest, two_answers_that_come_together_are_two) {
  auto listener = UnixListener::Listen(dir_ / "shim.sock");
  ASSERT_TRUE(listener.ok()) << listener.status();
  Subprocess shim = Spawn({});
  absl::StatusOr<UniqueFd> client;
  RunUntil([&] { return (client = listener->Accept()).ok(); });
  std::array<std::byte, sizeof(ShimGreeting)> greeting{};
  ASSERT_TRUE(ReceiveWithFds(client->get(), greeting, 1, MSG_WAITALL).ok());
  constexpr char kAnswers[] = "started\nended: exited with code 0\n";
  ASSERT_EQ(::write(client->get(), kAnswers, sizeof(kAnswers) - 1),
            static_cast<ssize_t>(sizeof(kAnswers) - 1));
  client->Reset();
  const auto end = shim.Wait(seconds(30));
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(end->clean()) << end->ToString();
  EXPECT_THAT(Read("log"), HasSubstr("sidecar: ended: exited with code 0"));
}

TEST_F(ShimTest, a_wrong_argument_is_told) {
  Subprocess shim = Spawn({"--frobnicate"});
  EXPECT_EQ(shim.Wait(seconds(10))->code, 64);
}

// libvirt would look for a render node in its own container then, and start no VM without one.
TEST_F(ShimTest, its_capabilities_leave_out_the_render_node) {
  auto shim = Subprocess::Start(
      {.argv = {"/bin/sh", "-c",
                "exec " RENDERCAR_BIN_DIR "/rendercar-shim --print-capabilities > " +
                    (dir_ / "features")}});
  ASSERT_TRUE(shim.ok()) << shim.status();
  EXPECT_TRUE(shim->Wait(seconds(30))->clean());
  EXPECT_EQ(Read("features"), "{\"type\": \"gpu\", \"features\": [\"virgl\"]}\n");
}

TEST_F(ShimTest, help_and_version_end_well) {
  for (const char* flag : {"--help", "--version", "--print-capabilities"}) {
    Subprocess shim = Spawn({flag});
    EXPECT_EQ(shim.Wait(seconds(10))->code, 0) << flag;
  }
}

}  // namespace
}  // namespace rendercar::sidecar
