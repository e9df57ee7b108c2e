// The device's side against renderers that misbehave in one way each: none may hurt it, and every
// token comes back exactly once.
// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "backend/ipc/process_renderer.h"
#include "backend/ipc/renderer_fixture.h"

namespace rendercar::ipc {
namespace {

using gpu::Completion;
using gpu::RenderResult;
using Kind = gpu::RendererDeath::Kind;

class HostileRendererTest : public RendererFixture {
 protected:
  // The watchdog is short for those that hang, and long for all others: a busy machine may take its
  // time to start a program.
  static std::chrono::milliseconds WatchdogFor(const std::string& behaviour) {
    const std::set<std::string> hanging{"never-ready", "never-consume", "stuff-doorbell",
                                        "sleep-forever"};
    return std::chrono::milliseconds(hanging.contains(behaviour) ? 200 : 100'000);
  }
  std::unique_ptr<ProcessRenderer> Make(const std::string& behaviour) {
    ProcessRenderer::Options options;
    options.link.argv = {RENDERCAR_MISBEHAVING_RENDERER_PATH, behaviour};
    options.watchdog = WatchdogFor(behaviour);
    options.stats = &stats;
    auto renderer = std::make_unique<ProcessRenderer>(loop, options);
    renderer->SetClient(&client);
    EXPECT_TRUE(renderer->Start().ok());
    return renderer;
  }
  // Two fenced commands; runs until the renderer is dead.
  gpu::RendererDeath DeathOf(const std::string& behaviour) {
    const auto renderer = Make(behaviour);
    gpu::CreateContext context;
    context.ctx_id = 5;
    Send(*renderer, context, Completion::kFenced);
    Send(*renderer, context, Completion::kFenced);
    RunUntil([&] { return !client.deaths.empty(); });
    EXPECT_EQ(client.results.size(), 2u);
    EXPECT_EQ(client.results[2], RenderResult::kRendererDied);
    EXPECT_FALSE(renderer->running());
    return client.deaths[0];
  }
  void ExpectFoundOut(const std::string& behaviour) {
    const gpu::RendererDeath death = DeathOf(behaviour);
    EXPECT_EQ(death.kind, Kind::kProtocol) << death.reason;
    EXPECT_EQ(stats.Get(StatsError::kRendererProtocol), 1u);
  }

  StatsWriter stats;
};

TEST_F(HostileRendererTest, a_crash_at_start_is_told) {
  EXPECT_EQ(DeathOf("exit-at-start").kind, Kind::kStartFailed);
}
TEST_F(HostileRendererTest, a_signal_at_start_is_told) {
  EXPECT_EQ(DeathOf("abort-at-start").kind, Kind::kStartFailed);
}
TEST_F(HostileRendererTest, one_that_never_gets_ready_is_killed) {
  EXPECT_EQ(DeathOf("never-ready").kind, Kind::kHung);
}
TEST_F(HostileRendererTest, one_that_never_consumes_is_killed) {
  EXPECT_EQ(DeathOf("never-consume").kind, Kind::kHung);
  EXPECT_EQ(client.deaths[0].guilty_ctx_id, 5u);
}
TEST_F(HostileRendererTest, another_protocol_version_is_found_out) {
  ExpectFoundOut("wrong-version");
}
TEST_F(HostileRendererTest, a_completion_of_nothing_is_found_out) {
  ExpectFoundOut("complete-unknown");
}
TEST_F(HostileRendererTest, an_unknown_result_is_found_out) { ExpectFoundOut("unknown-result"); }
TEST_F(HostileRendererTest, an_unknown_record_is_found_out) { ExpectFoundOut("unknown-kind"); }
TEST_F(HostileRendererTest, a_result_that_only_the_device_gives_is_found_out) {
  ExpectFoundOut("claim-death");
}
TEST_F(HostileRendererTest, a_second_ready_is_found_out) { ExpectFoundOut("ready-twice"); }
TEST_F(HostileRendererTest, fences_out_of_order_are_found_out) {
  const auto renderer = Make("complete-backwards");
  gpu::CreateContext context;
  Send(*renderer, context, Completion::kFenced);
  Send(*renderer, context, Completion::kFenced);
  RunUntil([&] { return !client.deaths.empty(); });
  EXPECT_EQ(client.deaths[0].kind, Kind::kProtocol);
  EXPECT_EQ(client.results[1], RenderResult::kRendererDied);
}
TEST_F(HostileRendererTest, a_token_that_is_completed_twice_comes_once) {
  const gpu::RendererDeath death = DeathOf("complete-twice");
  EXPECT_EQ(death.kind, Kind::kProtocol);
  EXPECT_EQ(client.results[1], RenderResult::kOk);
}
TEST_F(HostileRendererTest, an_impossible_head_is_found_out) { ExpectFoundOut("impossible-head"); }
TEST_F(HostileRendererTest, an_impossible_tail_is_found_out) { ExpectFoundOut("impossible-tail"); }
TEST_F(HostileRendererTest, half_a_record_is_found_out) { ExpectFoundOut("crooked-tail"); }
TEST_F(HostileRendererTest, garbage_is_found_out) { ExpectFoundOut("garbage"); }
TEST_F(HostileRendererTest, a_flood_of_context_errors_is_found_out) {
  ExpectFoundOut("flood-context-errors");
  EXPECT_LE(client.failed_contexts.size(), 3u);
}
TEST_F(HostileRendererTest, memory_that_was_promised_and_not_sent_is_found_out) {
  for (const char* behaviour : {"export-nothing", "export-a-file", "export-to-others"}) {
    client.deaths.clear();
    const auto renderer = Make(behaviour);
    const uint64_t token = Send(*renderer, gpu::ExportScanout{7});
    RunUntil([&] { return !client.deaths.empty(); });
    EXPECT_EQ(client.deaths[0].kind, Kind::kProtocol) << behaviour;
    EXPECT_NE(client.results[token], RenderResult::kOk) << behaviour;
    EXPECT_TRUE(client.exported.empty()) << behaviour;
  }
}
TEST_F(HostileRendererTest, memory_that_is_asked_for_comes_with_its_token) {
  const auto renderer = Make("export");
  const uint64_t token = Send(*renderer, gpu::ExportScanout{7});
  RunUntilComplete(token);
  EXPECT_EQ(client.results[token], RenderResult::kOk);
  ASSERT_EQ(client.exported.count(token), 1u);
  EXPECT_EQ(client.exported[token]->width, 16u);
}
TEST_F(HostileRendererTest, a_stuffed_doorbell_blocks_nobody) {
  EXPECT_EQ(DeathOf("stuff-doorbell").kind, Kind::kHung);
}

TEST_F(HostileRendererTest, a_flood_of_sleeps_blocks_nobody) {
  const auto renderer = Make("sleep-forever");
  gpu::CreateContext context;
  for (int i = 0; i < 3000; ++i) Send(*renderer, context);
  RunUntil([&] { return !client.deaths.empty(); });
  EXPECT_EQ(client.deaths[0].kind, Kind::kHung);
  EXPECT_EQ(client.results.size(), 3000u);
}

TEST_F(HostileRendererTest, a_full_ring_says_so_and_takes_nothing) {
  const auto renderer = Make("never-consume");
  const std::vector<std::byte> commands(size_t{1} << 20);
  const std::span<const std::byte> part(commands);
  absl::Status status;
  uint64_t taken = 0;
  while (status.ok()) {
    status = renderer->Submit(gpu::Submit3d{1, 1u << 20, {&part, 1}}, Completion::kExecuted, {},
                              ++last_token);
    taken += status.ok() ? 1 : 0;
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(taken, 3u);  // of 4 MiB, less the headers
}

TEST_F(HostileRendererTest, a_command_larger_than_the_ring_never_fits) {
  const auto renderer = Make("never-consume");
  const std::vector<std::byte> commands(size_t{5} << 20);
  const std::span<const std::byte> part(commands);
  EXPECT_TRUE(absl::IsInvalidArgument(
      renderer->Submit(gpu::Submit3d{1, 5u << 20, {&part, 1}}, Completion::kExecuted, {}, 1)));
}

TEST_F(HostileRendererTest, memory_that_is_not_acknowledged_kills_the_renderer) {
  const auto renderer = Make("never-consume");
  const GuestPages guest(65536);
  renderer->SetMemory(guest.memory);
  EXPECT_FALSE(renderer->running());
  RunUntil([&] { return !client.deaths.empty(); });
  EXPECT_EQ(client.deaths[0].kind, Kind::kHung);
}

TEST_F(HostileRendererTest, quiesce_ends_one_that_does_not_finish) {
  const auto renderer = Make("never-consume");
  const uint64_t token = Send(*renderer, gpu::DestroyContext{1});
  renderer->Quiesce(50);
  EXPECT_EQ(client.results[token], RenderResult::kRendererDied);
  EXPECT_EQ(client.deaths.size(), 1u);
}

TEST_F(HostileRendererTest, our_own_hurry_is_not_held_against_the_guest) {
  const auto renderer = Make("ready-and-idle");
  for (int i = 0; i < 5; ++i) {
    RunUntil([&] { return renderer->Start().ok(); });
    gpu::CreateContext context;
    context.ctx_id = 5;
    Send(*renderer, context);
    renderer->Quiesce(1);
  }
  EXPECT_EQ(client.deaths.size(), 5u);
  RunUntil([&] { return renderer->Start().ok(); });
}

TEST_F(HostileRendererTest, a_client_may_start_anew_from_inside_the_news_of_a_death) {
  const auto renderer = Make("exit-at-start");
  int restarts = 0;
  client.on_event = [&] {
    if (!client.deaths.empty() && !renderer->running() && restarts < 1) {
      ++restarts;
      EXPECT_TRUE(renderer->Start().ok());
    }
  };
  RunUntil([&] { return client.deaths.size() == 2; });
  EXPECT_EQ(restarts, 1);
}

TEST_F(HostileRendererTest, repeated_deaths_make_the_next_start_wait) {
  const auto renderer = Make("exit-at-start");
  RunUntil([&] { return client.deaths.size() == 1; });
  EXPECT_TRUE(renderer->Start().ok());
  RunUntil([&] { return client.deaths.size() == 2; });
  EXPECT_TRUE(absl::IsUnavailable(renderer->Start()));
}

TEST_F(HostileRendererTest, a_missing_program_is_said_in_words) {
  ProcessRenderer::Options options;
  options.link.argv = {"/nowhere/rendercar-renderer"};
  ProcessRenderer renderer(loop, options);
  renderer.SetClient(&client);
  const absl::Status status = renderer.Start();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_NE(status.message().find("/nowhere/rendercar-renderer"), std::string::npos);
}

}  // namespace
}  // namespace rendercar::ipc
