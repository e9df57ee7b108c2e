// The renderer is killed at random moments while a guest draws: each time a new program draws
// right.
// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <random>
#include <thread>

#include "tests/chaos/chaos.h"

namespace rendercar::frontend {
namespace {

class RendererKills : public Chaos {};

TEST_F(RendererKills, a_new_program_draws_right_after_each) {
  // Kills from outside are nobody's fault, but the wait after each would grow to seconds.
  BootWith({"--max-restart-wait-ms=100"});
  if (IsSkipped()) return;
  AllocateBacking();
  const uint64_t kills = Count("RENDERCAR_CHAOS_KILLS", 5);
  std::mt19937 random(static_cast<uint32_t>(Count("RENDERCAR_CHAOS_SEED", 1)));
  std::vector<double> times;
  ASSERT_GE(MillisecondsToRightFrame(0x123456), 0);
  for (uint64_t i = 0; i < kills; ++i) {
    const pid_t victim = RendererPid();
    ASSERT_NE(victim, 0);
    std::thread killer([victim, wait = random() % 20'000] {
      std::this_thread::sleep_for(std::chrono::microseconds(wait));
      ::kill(victim, SIGKILL);
    });
    // Draws on meanwhile; some of it is lost.
    while (::kill(victim, 0) == 0) DrawsRight(next_id_++, 0xff0000);
    killer.join();
    times.push_back(MillisecondsToRightFrame(static_cast<uint32_t>(random() & 0xffffff)));
    ASSERT_GE(times.back(), 0) << "no right frame after kill " << i;
  }
  ExpectAlive();
  const StatsSnapshot stats = Stats();
  EXPECT_GE(stats[StatsValue::kRendererDeaths], kills);
  PrintTimes("renderer killed, time to the next right frame", times);
}

}  // namespace
}  // namespace rendercar::frontend
