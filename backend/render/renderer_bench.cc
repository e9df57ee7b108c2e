// What the border between device and renderer costs: empty submits and clears with a fence, one at
// a time and 32 in flight, in two processes and in one.
// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <memory>

#include "backend/ipc/process_renderer.h"
#include "backend/render/in_process_renderer.h"
#include "common/epoll_loop.h"
#include "tests/frontend/virgl_encoder.h"

namespace rendercar {
namespace {

constexpr uint32_t kContext = 1, kTexture = 7, kSide = 256, kSurface = 3;

class CountingClient final : public gpu::RendererClient {
 public:
  void OnExported(uint64_t, std::shared_ptr<const gpu::ExportedBuffer>) override {}
  explicit CountingClient(EpollLoop& loop) : loop_(loop) {}
  void OnComplete(uint64_t, gpu::RenderResult) override {
    if (--left == 0) loop_.Quit();
  }
  void OnContextError(uint32_t) override {}
  void OnRendererDied(const gpu::RendererDeath&) override { loop_.Quit(); }
  void OnWritable() override {}
  int left = 0;

 private:
  EpollLoop& loop_;
};

class Bench {
 public:
  explicit Bench(bool in_process) {
    if (in_process) {
      renderer_ =
          std::make_unique<render::InProcessRenderer>(loop_, render::RenderExecutor::Options{});
    } else {
      ipc::ProcessRenderer::Options options;
      options.link.argv = {RENDERCAR_RENDERER_PATH, "--serve"};
      renderer_ = std::make_unique<ipc::ProcessRenderer>(loop_, options);
    }
    renderer_->SetClient(&client_);
    RC_CHECK(renderer_->Start().ok(), "no renderer");
    gpu::CreateContext context;
    context.ctx_id = kContext;
    Do(context);
    gpu::CreateResource3d texture;
    texture.resource_id = kTexture;
    texture.target = 2;
    texture.format = 1;
    texture.bind = 2;
    texture.width = texture.height = kSide;
    texture.depth = texture.array_size = 1;
    Do(texture);
    Do(gpu::AttachResource{kContext, kTexture});
    frontend::VirglEncoder setup;
    setup.CreateSurface(kSurface, kTexture, 1);
    setup.SetFramebuffer(kSurface);
    Batch(setup, 1, gpu::Completion::kFenced);
  }

  // Hands over `count` submits as one batch and waits for all of them.
  void Batch(const frontend::VirglEncoder& stream, int count, gpu::Completion completion) {
    const std::span<const std::byte> part = stream.bytes();
    const gpu::Submit3d submit{kContext, static_cast<uint32_t>(part.size()), {&part, 1}};
    client_.left = count;
    for (int i = 0; i < count; ++i) {
      RC_CHECK(renderer_->Submit(submit, completion, {}, ++token_).ok(), "no room");
    }
    renderer_->Flush();
    loop_.Run();
  }

 private:
  void Do(const gpu::RenderCommand& command) {
    client_.left = 1;
    RC_CHECK(renderer_->Submit(command, gpu::Completion::kExecuted, {}, ++token_).ok(), "no room");
    renderer_->Flush();
    loop_.Run();
  }

  EpollLoop loop_;
  CountingClient client_{loop_};
  std::unique_ptr<gpu::Renderer> renderer_;
  uint64_t token_ = 0;
};

void Run(benchmark::State& state, bool in_process, bool clears, gpu::Completion completion) {
  Bench bench(in_process);
  frontend::VirglEncoder stream;
  stream.Nop();
  if (clears) stream.Clear({0.25F, 0.5F, 0.75F, 1});
  const int count = static_cast<int>(state.range(0));
  for (auto _ : state) bench.Batch(stream, count, completion);
  state.SetItemsProcessed(state.iterations() * count);
}

using gpu::Completion;
BENCHMARK_CAPTURE(Run, empty_fenced_two_processes, false, false, Completion::kFenced)
    ->Arg(1)
    ->Arg(32)
    ->UseRealTime();
BENCHMARK_CAPTURE(Run, empty_fenced_in_process, true, false, Completion::kFenced)
    ->Arg(1)
    ->Arg(32)
    ->UseRealTime();
BENCHMARK_CAPTURE(Run, empty_unfenced_two_processes, false, false, Completion::kExecuted)
    ->Arg(32)
    ->UseRealTime();
BENCHMARK_CAPTURE(Run, clear_fenced_two_processes, false, true, Completion::kFenced)
    ->Arg(1)
    ->UseRealTime();
BENCHMARK_CAPTURE(Run, clear_fenced_in_process, true, true, Completion::kFenced)
    ->Arg(1)
    ->UseRealTime();

}  // namespace
}  // namespace rendercar
