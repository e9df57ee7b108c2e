// The host runs out of something while a renderer dies: the device goes on without it, and 3D comes
// back with it.
// SPDX-License-Identifier: Apache-2.0
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/chaos/chaos.h"

namespace rendercar::frontend {
namespace {

class Shortage : public Chaos {
 protected:
  void Start() {
    BootWith({});
    if (IsSkipped()) return;
    AllocateBacking();
    ASSERT_GE(MillisecondsToRightFrame(0x112233), 0);
  }
  void KillRenderer() {
    const uint64_t before = Stats()[StatsValue::kRendererDeaths];
    ::kill(RendererPid(), SIGKILL);
    while (Stats()[StatsValue::kRendererDeaths] == before)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  // Sets the backend's limit and gives the one before back.
  rlimit Limit(__rlimit_resource what, uint64_t value) {
    rlimit before{};
    EXPECT_EQ(::prlimit(vm().backend().pid(), what, nullptr, &before), 0);
    const rlimit now{value, before.rlim_max};
    EXPECT_EQ(::prlimit(vm().backend().pid(), what, &now, nullptr), 0);
    return before;
  }
  void Restore(__rlimit_resource what, const rlimit& before) {
    EXPECT_EQ(::prlimit(vm().backend().pid(), what, &before, nullptr), 0);
  }
  // The console, whatever 3D does.
  void ExpectConsole() {
    CreateResource(7, 320, 200);
    ASSERT_EQ(gpu().TypeOf(SetScanout(0, 7, {0, 0, 320, 200})), kDone);
    Draw(7, TestPicture(320, 200));
    TransferAndFlush(7, {0, 0, 320, 200});
    EXPECT_TRUE(display().WaitForPicture(0, TestPicture(320, 200)));
    gpu().TypeOf(ResourceUnref(7));
  }
};

TEST_F(Shortage, of_descriptors) {
  Start();
  if (IsSkipped()) return;
  const rlimit before = Limit(RLIMIT_NOFILE, 8);
  KillRenderer();
  EXPECT_FALSE(DrawsRight(next_id_++, 0x445566));
  ExpectConsole();
  Restore(RLIMIT_NOFILE, before);
  EXPECT_GE(MillisecondsToRightFrame(0x445566), 0);
  ExpectAlive();
}

TEST_F(Shortage, of_memory) {
  Start();
  if (IsSkipped()) return;
  ExpectConsole();
  std::ifstream status("/proc/" + std::to_string(vm().backend().pid()) + "/statm");
  uint64_t pages = 0;
  status >> pages;
  const rlimit before = Limit(RLIMIT_AS, pages * 4096 + (6u << 20));
  KillRenderer();
  DrawsRight(next_id_++, 0x445566);  // or not
  // A picture that there is no memory for is refused, and nothing else.
  EXPECT_EQ(gpu().TypeOf(ResourceCreate2d(9, 4096, 4096, 1)), kDone);
  EXPECT_EQ(gpu().TypeOf(SetScanout(0, 9, {0, 0, 4096, 4096})), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
  Restore(RLIMIT_AS, before);
  EXPECT_GE(MillisecondsToRightFrame(0x445566), 0);
  ExpectConsole();
  ExpectAlive();
}

TEST_F(Shortage, of_processes_that_answer_in_time) {
  Start();
  if (IsSkipped()) return;
  // A renderer that is slow, not dead: what waits for it is answered once it goes on.
  const pid_t renderer = RendererPid();
  ::kill(renderer, SIGSTOP);
  std::thread later([renderer] {
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
    ::kill(renderer, SIGCONT);
  });
  EXPECT_TRUE(DrawsRight(next_id_++, 0x778899));
  later.join();
  EXPECT_EQ(Stats()[StatsValue::kRendererDeaths], 0u);
  ExpectAlive();
}

}  // namespace
}  // namespace rendercar::frontend
