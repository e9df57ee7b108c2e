// The real renderer process on software OpenGL, driven as the device drives it.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/process_renderer.h"

#include <signal.h>

#include <random>

#include "backend/ipc/renderer_fixture.h"

namespace rendercar::ipc {
namespace {

using gpu::Completion;
using gpu::RenderResult;
using Kind = gpu::RendererDeath::Kind;

constexpr uint32_t kContext = 1, kTexture = 7, kSide = 64;

class ProcessRendererTest : public RendererFixture {
 protected:
  static ProcessRenderer::Options RealRenderer() {
    ProcessRenderer::Options options;
    options.link.argv = {RENDERCAR_RENDERER_PATH, "--serve"};
    options.restart.first_wait = std::chrono::milliseconds(0);
    options.restart.max_blamed = 3;
    // A busy machine may take its time; those that hang have tests of their own.
    options.watchdog = std::chrono::milliseconds(100'000);
    options.memory_wait = std::chrono::milliseconds(20'000);
    return options;
  }
  void SetUp() override {
    renderer.SetClient(&client);
    renderer.SetMemory(guest.memory);
    ASSERT_TRUE(renderer.Start().ok());
  }
  // Reads the texture's top left `side` pixels.
  std::unique_ptr<gpu::SharedPixels> Read(uint32_t side) {
    auto pixels = renderer.AllocatePixels(size_t{side} * side * 4);
    gpu::ReadPixels read;
    read.resource_id = kTexture;
    read.box = {0, 0, 0, side, side, 1};
    read.pixels_id = (*pixels)->id();
    read.stride_bytes = side * 4;
    EXPECT_EQ(Result(renderer, read), RenderResult::kOk);
    return *std::move(pixels);
  }
  void AttachGuestBacking() {
    const std::array<gpu::GuestRange, 2> ranges{
        {{GuestPages::kBase + 4096, 8192}, {GuestPages::kBase + 65536, 8192}}};
    EXPECT_EQ(Result(renderer, gpu::AttachBacking{kTexture, ranges}), RenderResult::kOk);
  }
  static gpu::Transfer Whole(gpu::Transfer::Direction direction) {
    gpu::Transfer c;
    c.direction = direction;
    c.ctx_id = kContext;
    c.resource_id = kTexture;
    c.box = {0, 0, 0, kSide, kSide, 1};
    return c;
  }

  StatsWriter stats;
  GuestPages guest{size_t{1} << 20};
  ProcessRenderer renderer{loop, [this] {
                             auto options = RealRenderer();
                             options.stats = &stats;
                             return options;
                           }()};
};

TEST_F(ProcessRendererTest, a_clear_by_virgl_commands_is_read_back) {
  MakeTarget(renderer, kContext, kTexture, kSide);
  RunUntilComplete(SendStream(renderer, kContext, ClearStream(kTexture, {1, 0.5F, 0, 1})));
  const auto pixels = Read(kSide);
  EXPECT_EQ(PixelAt(pixels->bytes(), 0), 0xFFFF8000u);
  EXPECT_EQ(PixelAt(pixels->bytes(), kSide * kSide - 1), 0xFFFF8000u);
  EXPECT_TRUE(client.deaths.empty());
}

TEST_F(ProcessRendererTest, guest_pixels_go_to_the_texture_and_come_back_top_row_first) {
  MakeTarget(renderer, kContext, kTexture, kSide);
  AttachGuestBacking();
  for (uint32_t i = 0; i < 2048; ++i) {  // the first half of the rows lies in the first range
    const uint32_t pixel = 0xFF000000u | i;
    std::memcpy(guest.bytes().data() + 4096 + i * 4, &pixel, 4);
  }
  EXPECT_EQ(Result(renderer, Whole(gpu::Transfer::Direction::kToHost)), RenderResult::kOk);
  const auto pixels = Read(kSide);
  EXPECT_EQ(PixelAt(pixels->bytes(), 0), 0xFF000000u);
  EXPECT_EQ(PixelAt(pixels->bytes(), 65), 0xFF000000u + 65);
  EXPECT_EQ(PixelAt(pixels->bytes(), 2047), 0xFF000000u + 2047);
}

TEST_F(ProcessRendererTest, a_drawn_texture_goes_back_to_guest_pages) {
  MakeTarget(renderer, kContext, kTexture, kSide);
  AttachGuestBacking();
  RunUntilComplete(SendStream(renderer, kContext, ClearStream(kTexture, {0, 0, 1, 1})));
  EXPECT_EQ(Result(renderer, Whole(gpu::Transfer::Direction::kFromHost)), RenderResult::kOk);
  EXPECT_EQ(PixelAt(guest.bytes(), 4096 / 4), 0xFF0000FFu);
  EXPECT_EQ(PixelAt(guest.bytes(), 65536 / 4 + 2047), 0xFF0000FFu);
}

TEST_F(ProcessRendererTest, many_fences_complete_in_order) {
  MakeTarget(renderer, kContext, kTexture, kSide);
  frontend::VirglEncoder nop;
  nop.Nop();
  SendStream(renderer, kContext, ClearStream(kTexture, {0, 0, 1, 1}));
  const size_t before = client.order.size();
  for (int i = 0; i < 200; ++i) SendStream(renderer, kContext, nop);
  RunUntilComplete(last_token);
  const std::vector<uint64_t> fences(client.order.begin() + static_cast<long>(before),
                                     client.order.end());
  EXPECT_TRUE(std::is_sorted(fences.begin(), fences.end()));
  EXPECT_EQ(fences.size(), 201u);
}

TEST_F(ProcessRendererTest, nonsense_from_the_guest_is_refused_and_its_context_named) {
  MakeTarget(renderer, kContext, kTexture, kSide);
  frontend::VirglEncoder nonsense;
  nonsense.SetFramebuffer(4711);
  const uint64_t token = SendStream(renderer, kContext, nonsense);
  RunUntilComplete(token);
  RunUntil([&] { return !client.failed_contexts.empty(); });
  EXPECT_EQ(client.failed_contexts[0], kContext);
  EXPECT_TRUE(client.deaths.empty());
  EXPECT_EQ(Result(renderer, gpu::DestroyContext{kContext}), RenderResult::kOk);
}

TEST_F(ProcessRendererTest, a_transfer_without_backing_is_refused) {
  MakeTarget(renderer, kContext, kTexture, kSide);
  EXPECT_EQ(Result(renderer, Whole(gpu::Transfer::Direction::kToHost)), RenderResult::kRefused);
}

TEST_F(ProcessRendererTest, reading_beyond_the_shared_pixels_is_refused) {
  MakeTarget(renderer, kContext, kTexture, kSide);
  const auto pixels = renderer.AllocatePixels(4096);
  gpu::ReadPixels read;
  read.resource_id = kTexture;
  read.box = {0, 0, 0, kSide, kSide, 1};
  read.pixels_id = (*pixels)->id();
  read.stride_bytes = kSide * 4;
  EXPECT_EQ(Result(renderer, read), RenderResult::kRefused);
}

TEST_F(ProcessRendererTest, memory_that_is_sent_again_keeps_backings_working) {
  MakeTarget(renderer, kContext, kTexture, kSide);
  AttachGuestBacking();
  RunUntilComplete(SendStream(renderer, kContext, ClearStream(kTexture, {0, 1, 0, 1})));
  const GuestPages other(size_t{1} << 20);
  renderer.SetMemory(other.memory);
  EXPECT_EQ(Result(renderer, Whole(gpu::Transfer::Direction::kFromHost)), RenderResult::kOk);
  EXPECT_EQ(PixelAt(other.bytes(), 4096 / 4), 0xFF00FF00u);
  EXPECT_TRUE(client.deaths.empty());
}

TEST_F(ProcessRendererTest, a_backing_in_lost_memory_fails_its_transfers) {
  MakeTarget(renderer, kContext, kTexture, kSide);
  AttachGuestBacking();
  const GuestPages smaller(32768);
  renderer.SetMemory(smaller.memory);
  EXPECT_EQ(Result(renderer, Whole(gpu::Transfer::Direction::kToHost)), RenderResult::kRefused);
  EXPECT_TRUE(client.deaths.empty());
}

TEST_F(ProcessRendererTest, a_backing_works_again_when_its_memory_comes_back) {
  MakeTarget(renderer, kContext, kTexture, kSide);
  const GuestPages smaller(32768);
  renderer.SetMemory(smaller.memory);
  // Told while half of it is lost, as a new renderer is.
  const std::array<gpu::GuestRange, 2> ranges{
      {{GuestPages::kBase + 4096, 8192}, {GuestPages::kBase + 65536, 8192}}};
  EXPECT_EQ(Result(renderer, gpu::AttachBacking{kTexture, ranges}), RenderResult::kRefused);
  EXPECT_EQ(Result(renderer, Whole(gpu::Transfer::Direction::kToHost)), RenderResult::kRefused);
  renderer.SetMemory(guest.memory);
  EXPECT_EQ(Result(renderer, Whole(gpu::Transfer::Direction::kToHost)), RenderResult::kOk);
}

TEST_F(ProcessRendererTest, a_pause_that_a_renderer_misses_is_not_held_against_the_guest) {
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(renderer.Start().ok());
    gpu::CreateContext context;
    context.ctx_id = kContext;
    Send(renderer, context);
    RunUntilComplete(last_token);
    ::kill(renderer.pid(), SIGSTOP);
    SendStream(renderer, kContext, frontend::VirglEncoder());
    renderer.Quiesce(1);
  }
  EXPECT_EQ(client.deaths.size(), 4u);
  EXPECT_FALSE(renderer.off());
}

TEST_F(ProcessRendererTest, quiesce_delivers_everything_before_it_returns) {
  MakeTarget(renderer, kContext, kTexture, kSide);
  const uint64_t token = SendStream(renderer, kContext, ClearStream(kTexture, {0, 1, 0, 1}));
  renderer.Quiesce(10'000);
  EXPECT_EQ(client.results[token], RenderResult::kOk);
}

TEST_F(ProcessRendererTest, reset_leaves_nothing_and_the_next_start_is_empty) {
  MakeTarget(renderer, kContext, kTexture, kSide);
  renderer.Reset();
  EXPECT_FALSE(renderer.running());
  EXPECT_TRUE(client.deaths.empty());
  ASSERT_TRUE(renderer.Start().ok());
  EXPECT_EQ(Result(renderer, Texture(kTexture, kSide)), RenderResult::kOk);
}

TEST_F(ProcessRendererTest, a_killed_renderer_answers_all_that_was_in_flight) {
  MakeTarget(renderer, kContext, kTexture, kSide);
  ::kill(renderer.pid(), SIGSTOP);
  const uint64_t fence = SendStream(renderer, kContext, ClearStream(kTexture, {0, 1, 0, 1}));
  ::kill(renderer.pid(), SIGKILL);
  RunUntil([&] { return !client.deaths.empty(); });
  EXPECT_EQ(client.results[fence], RenderResult::kRendererDied);
  EXPECT_EQ(client.deaths[0].kind, Kind::kSignaled);
  EXPECT_EQ(client.deaths[0].code, SIGKILL);
  EXPECT_FALSE(renderer.running());
  EXPECT_EQ(stats.Get(StatsValue::kRendererDeaths), 1u);
}

TEST_F(ProcessRendererTest, pixels_and_memory_survive_the_death_of_a_renderer) {
  const auto pixels = renderer.AllocatePixels(size_t{kSide} * kSide * 4);
  ::kill(renderer.pid(), SIGKILL);
  RunUntil([&] { return !client.deaths.empty(); });
  ASSERT_TRUE(renderer.Start().ok());
  MakeTarget(renderer, kContext, kTexture, kSide);
  AttachGuestBacking();
  RunUntilComplete(SendStream(renderer, kContext, ClearStream(kTexture, {1, 1, 1, 1})));
  gpu::ReadPixels read;
  read.resource_id = kTexture;
  read.box = {0, 0, 0, kSide, kSide, 1};
  read.pixels_id = (*pixels)->id();
  read.stride_bytes = kSide * 4;
  EXPECT_EQ(Result(renderer, read), RenderResult::kOk);
  EXPECT_EQ(PixelAt((*pixels)->bytes(), 5), 0xFFFFFFFFu);
}

TEST_F(ProcessRendererTest, is_busy_while_it_works_and_not_afterwards) {
  MakeTarget(renderer, kContext, kTexture, kSide);
  RunUntil([&] { return !renderer.busy(); });
  ::kill(renderer.pid(), SIGSTOP);
  const uint64_t token = SendStream(renderer, kContext, ClearStream(kTexture, {1, 0, 0, 1}));
  EXPECT_TRUE(renderer.busy());
  ::kill(renderer.pid(), SIGCONT);
  RunUntilComplete(token);
  RunUntil([&] { return !renderer.busy(); });
}

TEST_F(ProcessRendererTest, kills_at_random_moments_never_lose_or_double_a_token) {
  std::minstd_rand random(20261122);
  for (int round = 0; round < 10; ++round) {
    EXPECT_TRUE(renderer.Start().ok());
    gpu::CreateContext context;
    context.ctx_id = kContext;
    Send(renderer, context);
    Send(renderer, Texture(kTexture, kSide));
    Send(renderer, gpu::AttachResource{kContext, kTexture});
    const pid_t pid = renderer.pid();
    loop.PostAfter(std::chrono::microseconds(random() % 200'000), [pid] { ::kill(pid, SIGKILL); });
    const size_t deaths = client.deaths.size();
    for (int i = 0; i < 100; ++i)
      SendStream(renderer, kContext, ClearStream(kTexture, {0, 1, 0, 1}));
    RunUntil([&] { return client.deaths.size() > deaths; });
    EXPECT_EQ(client.results.size(), last_token);
  }
}

// A renderer whose node is gone, and one on another node that can take over.
class FailoverTest : public RendererFixture {
 protected:
  static ProcessRenderer::Options GoneNode(StatsWriter& stats) {
    ProcessRenderer::Options options;
    options.link.argv = {RENDERCAR_RENDERER_PATH, "--serve", "--render-node=/nonexistent/renderD1"};
    options.restart.first_wait = std::chrono::milliseconds(0);
    options.stats = &stats;
    return options;
  }
  void StartUntilDead(ProcessRenderer& renderer, size_t deaths) {
    while (client.deaths.size() < deaths) {
      ASSERT_TRUE(renderer.Start().ok());
      const size_t before = client.deaths.size();
      RunUntil([&] { return client.deaths.size() > before; });
    }
  }
  StatsWriter stats;
};

TEST_F(FailoverTest, three_starts_without_the_node_move_3d_to_the_next) {
  ProcessRenderer::Options options = GoneNode(stats);
  options.failover = {{RENDERCAR_RENDERER_PATH, "--serve"}};
  ProcessRenderer renderer(loop, options);
  renderer.SetClient(&client);
  StartUntilDead(renderer, 3);
  EXPECT_EQ(stats.Get(StatsValue::kFailovers), 1u);
  EXPECT_FALSE(renderer.off());
  ASSERT_TRUE(renderer.Start().ok());
  MakeTarget(renderer, kContext, kTexture, kSide);
}

TEST_F(FailoverTest, without_another_node_3d_is_turned_off_with_its_reason) {
  ProcessRenderer renderer(loop, GoneNode(stats));
  renderer.SetClient(&client);
  StartUntilDead(renderer, 3);
  EXPECT_TRUE(renderer.off());
  EXPECT_EQ(client.deaths[0].reason, "the render node is gone");
}

}  // namespace
}  // namespace rendercar::ipc
