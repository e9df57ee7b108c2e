// A newer backend goes on with a running VM: nothing is lost, and a bad one changes nothing.
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "backend/server/predecessor.h"
#include "common/unix_socket.h"
#include "tests/chaos/chaos.h"

namespace rendercar::frontend {
namespace {

constexpr uint32_t kWidth = 320, kHeight = 200;
constexpr Rect kWhole{0, 0, kWidth, kHeight};
constexpr std::chrono::seconds kLong{20};
constexpr int kStatusFd = 4;

class Upgrade : public Chaos {
 protected:
  void BootFor(bool virgl, std::vector<std::string> args = {}) {
    args.push_back("--handover-socket=" + Socket());
    args.push_back("--screenshot-socket=" + (sockets_ / "screen.sock"));
    if (virgl) return BootWith(std::move(args));
    VmOptions options;
    options.program.args = std::move(args);
    Boot(std::move(options));
  }
  void TearDown() override {
    Chaos::TearDown();
    if (!successor_.running()) return;
    const auto end = successor_.Wait(kLong);
    ASSERT_TRUE(end.has_value()) << "the successor outlives its frontend";
    EXPECT_TRUE(end->clean()) << end->ToString();
  }
  std::string Socket() const { return sockets_ / "handover.sock"; }

  struct Outcome {
    std::string status;  // its line on --status-fd
    Subprocess process;
  };
  // Starts `program` as a successor and waits for what it says, or its end.
  Outcome Start(const std::string& program, std::vector<std::string> more = {}) {
    auto pair = CreateSocketPair(SOCK_STREAM);
    RC_CHECK(pair.ok(), "tests need sockets");
    Subprocess::Options options;
    options.argv = {program,
                    "--fd=3",
                    "--take-over=" + Socket(),
                    "--handover-socket=" + Socket(),
                    "--screenshot-socket=" + (sockets_ / "screen.sock"),
                    "--status-fd=" + std::to_string(kStatusFd)};
    options.argv.insert(options.argv.end(), more.begin(), more.end());
    options.fds = {{pair->b.get(), kStatusFd}};
    const UniqueFd log(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    if (std::getenv("RENDERCAR_TEST_VERBOSE") == nullptr)
      options.fds.push_back({log.get(), STDERR_FILENO});
    auto child = Subprocess::Start(options);
    RC_CHECK(child.ok(), "tests can start programs");
    pair->b.Reset();
    Outcome outcome{"", *std::move(child)};
    char bytes[512];
    for (;;) {
      const ssize_t got = ::recv(pair->a.get(), bytes, sizeof(bytes), 0);
      if (got <= 0) break;
      outcome.status.append(bytes, static_cast<size_t>(got));
    }
    return outcome;
  }
  // Replaces what runs by the same program.
  void UpgradeOnce(const std::vector<std::string>& more = {}) {
    Outcome outcome = Start(OwnBackend().path, more);
    // A machine that gives it no processor for two seconds is slow, not wrong.
    while (outcome.status.find("said nothing") != std::string::npos)
      outcome = Start(OwnBackend().path, more);
    ASSERT_EQ(outcome.status.rfind("taken over ", 0), 0u) << outcome.status;
    pauses_ms_.push_back(std::atof(outcome.status.c_str() + 11) / 1000);
    const auto end = successor_.running() ? successor_.Wait(kLong) : vm().backend().WaitEnd(kLong);
    ASSERT_TRUE(end.has_value()) << "the predecessor goes on";
    EXPECT_TRUE(end->clean()) << end->ToString();
    successor_ = std::move(outcome.process);
  }
  void ShowPicture(uint32_t seed) {
    if (resources_.count(1) == 0) CreateResource(1, kWidth, kHeight);
    Draw(1, TestPicture(kWidth, kHeight, seed));
    EXPECT_EQ(gpu().TypeOf(SetScanout(0, 1, kWhole)), VIRTIO_GPU_RESP_OK_NODATA);
    TransferAndFlush(1, kWhole);
    EXPECT_TRUE(display().WaitForPicture(0, TestPicture(kWidth, kHeight, seed)));
  }

  const TempDir sockets_;
  Subprocess successor_;
  std::vector<double> pauses_ms_;
};

TEST_F(Upgrade, the_picture_and_what_made_it_are_there_afterwards) {
  BootFor(false);
  ShowPicture(1);
  UpgradeOnce();
  EXPECT_TRUE(display().WaitForPicture(0, TestPicture(kWidth, kHeight, 1)));
  ShowPicture(2);
  ASSERT_TRUE(vm().Pause().ok());
  ASSERT_TRUE(vm().Resume().ok());
  EXPECT_TRUE(display().WaitForPicture(0, TestPicture(kWidth, kHeight, 2)));
  ASSERT_TRUE(vm().Reset().ok());
  ExpectAlive();
}

TEST_F(Upgrade, twenty_in_a_row_lose_no_command_of_a_guest_that_draws) {
  BootFor(false);
  ShowPicture(1);
  std::atomic<bool> stop{false};
  uint64_t answered = 0;
  std::thread guest([&] {
    for (uint64_t fence = 1; !stop; ++fence) {
      if (gpu().TypeOf(Fenced(TransferToHost2d(1, kWhole, 0), 2 * fence)) != kDone) return;
      if (gpu().TypeOf(Fenced(ResourceFlush(1, kWhole), 2 * fence + 1)) != kDone) return;
      ++answered;
    }
  });
  uint64_t descriptors = 0, bytes = 0;
  for (int i = 0; i < 20; ++i) {
    UpgradeOnce();
    const ProcessUsage usage = UsageOf(successor_.pid());
    if (i == 0) {
      descriptors = usage.descriptors;
      bytes = usage.rss_bytes;
    }
    EXPECT_EQ(usage.descriptors, descriptors) << "after upgrade " << i;
    EXPECT_LT(usage.rss_bytes, bytes + (8u << 20)) << "after upgrade " << i;
  }
  const bool still_draws = !stop.exchange(true);
  guest.join();
  EXPECT_TRUE(still_draws);
  EXPECT_GT(answered, 20u);
  EXPECT_EQ(gpu().in_flight(), 0u);
  EXPECT_EQ(CountedErrors(), 0u);
  EXPECT_TRUE(display().state().breaches.empty());
  ShowPicture(7);
  PrintTimes("upgrade of a backend whose guest draws, its pause", pauses_ms_);
}

TEST_F(Upgrade, statistics_go_on_in_the_same_page) {
  BootFor(false);
  ShowPicture(1);
  const StatsSnapshot before = Stats();
  UpgradeOnce();
  ShowPicture(2);
  const StatsSnapshot after = Stats();
  EXPECT_EQ(after.pid, static_cast<uint64_t>(successor_.pid()));
  EXPECT_GT(after[StatsValue::kBytes2d], before[StatsValue::kBytes2d]);
  EXPECT_EQ(after[StatsValue::kResources], before[StatsValue::kResources]);
  EXPECT_EQ(after[StatsValue::kFrontendConnected], 1u);
}

TEST_F(Upgrade, a_new_program_draws_right_in_3d_and_no_death_is_counted) {
  BootFor(true);
  if (IsSkipped()) return;
  AllocateBacking();
  ASSERT_GE(MillisecondsToRightFrame(0x336699), 0);
  ASSERT_EQ(gpu().TypeOf(CtxCreate(50, "stays")), kDone);
  for (int i = 0; i < 3; ++i) {
    UpgradeOnce({"--virgl"});
    EXPECT_GE(MillisecondsToRightFrame(0x996633), 0);
  }
  EXPECT_EQ(gpu().TypeOf(CtxDestroy(50)), kDone);
  EXPECT_EQ(Stats()[StatsValue::kRendererDeaths], 0u);
}

TEST_F(Upgrade, a_program_that_crashes_or_is_none_changes_nothing) {
  BootFor(false);
  ShowPicture(1);
  EXPECT_EQ(Start("/bin/false").status, "");
  Outcome wrong = Start(OwnBackend().path, {"--no-such-flag"});
  EXPECT_EQ(wrong.process.Wait(kLong)->code, 64);
  ShowPicture(2);
  UpgradeOnce();
  ShowPicture(3);
}

TEST_F(Upgrade, one_that_cannot_keep_the_promises_refuses_in_words) {
  BootFor(true);
  if (IsSkipped()) return;
  Outcome outcome = Start(OwnBackend().path);
  EXPECT_NE(outcome.status.find("refused: the new backend lacks features"), std::string::npos)
      << outcome.status;
  EXPECT_EQ(outcome.process.Wait(kLong)->kind, ChildEnd::Kind::kExited);
  ShowPicture(1);
}

TEST_F(Upgrade, one_that_dies_or_refuses_with_the_state_in_its_hands_changes_nothing) {
  BootFor(false);
  ShowPicture(1);
  for (const bool refuses : {false, true}) {
    auto predecessor = server::Predecessor::Connect(Socket());
    ASSERT_TRUE(predecessor.ok());
    auto left = predecessor->AskForState();
    ASSERT_TRUE(left.ok()) << left.status();
    ASSERT_TRUE(left->unpacked.state.frontend.has_value());
    if (refuses) predecessor->Refuse("a test");
  }
  ShowPicture(2);
}

TEST_F(Upgrade, one_that_is_silent_holds_the_vm_for_a_moment_only) {
  BootFor(false);
  ShowPicture(1);
  auto predecessor = server::Predecessor::Connect(Socket());
  ASSERT_TRUE(predecessor.ok());
  ASSERT_TRUE(predecessor->AskForState().ok());
  ShowPicture(2);  // waits until the backend goes on
  EXPECT_FALSE(predecessor->TakeOver().ok());
  ShowPicture(3);
}

TEST_F(Upgrade, one_that_reads_other_states_only_is_refused_before_anything_stops) {
  BootFor(false);
  ShowPicture(1);
  const auto socket = ConnectUnix(Socket());
  ASSERT_TRUE(socket.ok());
  server::handover::Message hello(server::handover::Kind::kHello);
  hello.version = hello.oldest_version = server::kStateVersion + 1;
  ASSERT_TRUE(SendWithFds(socket->get(), std::as_bytes(std::span(&hello, 1)), {}).ok());
  server::handover::Message answer;
  auto received = ReceiveWithFds(socket->get(), std::as_writable_bytes(std::span(&answer, 1)), 0);
  ASSERT_TRUE(received.ok());
  EXPECT_EQ(answer.kind, server::handover::Kind::kRefused);
  EXPECT_NE(answer.why().find("version"), std::string::npos);
  ShowPicture(2);
}

TEST_F(Upgrade, a_second_one_meanwhile_is_refused) {
  BootFor(false);
  auto first = server::Predecessor::Connect(Socket());
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(first->AskForState().ok());
  const Outcome second = Start(OwnBackend().path);
  EXPECT_NE(second.status.find("another upgrade"), std::string::npos) << second.status;
  first->Refuse("a test");
  ExpectAlive();
}

TEST_F(Upgrade, garbage_in_place_of_a_successor_changes_nothing) {
  BootFor(false);
  ShowPicture(1);
  const auto socket = ConnectUnix(Socket());
  ASSERT_TRUE(socket.ok());
  const std::vector<std::byte> garbage(256, std::byte{0xa5});
  ASSERT_TRUE(SendWithFds(socket->get(), garbage, {}).ok());
  ShowPicture(2);
  UpgradeOnce();
  ShowPicture(3);
}

}  // namespace
}  // namespace rendercar::frontend
