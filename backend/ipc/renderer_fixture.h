// What tests of renderers share: a client that remembers, guest memory, and a loop that runs until
// something has happened.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "backend/gpu/renderer.h"
#include "common/epoll_loop.h"
#include "tests/frontend/virgl_encoder.h"

namespace rendercar::ipc {

class RecordingClient final : public gpu::RendererClient {
 public:
  void OnComplete(uint64_t token, gpu::RenderResult result) override {
    EXPECT_TRUE(results.emplace(token, result).second) << "token " << token << " came twice";
    order.push_back(token);
    if (on_event) on_event();
  }
  void OnExported(uint64_t token, std::shared_ptr<const gpu::ExportedBuffer> buffer) override {
    exported[token] = std::move(buffer);
  }
  void OnContextError(uint32_t ctx_id) override { failed_contexts.push_back(ctx_id); }
  void OnRendererDied(const gpu::RendererDeath& death) override {
    deaths.push_back(death);
    if (on_event) on_event();
  }
  void OnWritable() override { ++writable; }

  std::map<uint64_t, gpu::RenderResult> results;
  std::vector<uint64_t> order;
  std::map<uint64_t, std::shared_ptr<const gpu::ExportedBuffer>> exported;
  std::vector<uint32_t> failed_contexts;
  std::vector<gpu::RendererDeath> deaths;
  int writable = 0;
  std::function<void()> on_event;
};

// One region of guest memory at guest address kBase.
class GuestPages {
 public:
  static constexpr uint64_t kBase = 0x10000;
  explicit GuestPages(size_t size_bytes) {
    UniqueFd fd(::memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size_bytes)), 0);
    std::vector<guest::RegionDescription> regions;
    regions.push_back({kBase, size_bytes, kBase, 0, std::move(fd)});
    auto mapped = guest::GuestMemory::Map(std::move(regions), nullptr);
    EXPECT_TRUE(mapped.ok()) << mapped.status();
    memory = *std::move(mapped);
  }
  std::span<std::byte> bytes() const { return memory->regions()[0].bytes(); }

  std::shared_ptr<const guest::GuestMemory> memory;
};

// Drives any Renderer as the device does.
class RendererFixture : public testing::Test {
 protected:
  // Runs the loop until `done` says so.
  void RunUntil(const std::function<bool()>& done) {
    std::function<void()> check = [&] {
      if (done()) return loop.Quit();
      loop.PostAfter(std::chrono::milliseconds(1), [&] { check(); });
    };
    loop.Post([&] { check(); });
    loop.Run();
  }
  void RunUntilComplete(uint64_t token) {
    RunUntil([&] { return client.results.contains(token); });
  }
  // Hands it over with a fresh token, which comes back.
  uint64_t Send(gpu::Renderer& renderer, const gpu::RenderCommand& command,
                gpu::Completion completion = gpu::Completion::kExecuted) {
    const absl::Status taken = renderer.Submit(command, completion, {}, ++last_token);
    EXPECT_TRUE(taken.ok()) << taken;
    renderer.Flush();
    return last_token;
  }
  gpu::RenderResult Result(gpu::Renderer& renderer, const gpu::RenderCommand& command,
                           gpu::Completion completion = gpu::Completion::kExecuted) {
    const uint64_t token = Send(renderer, command, completion);
    RunUntilComplete(token);
    return client.results[token];
  }
  uint64_t SendStream(gpu::Renderer& renderer, uint32_t ctx_id,
                      const frontend::VirglEncoder& stream,
                      gpu::Completion completion = gpu::Completion::kFenced) {
    const std::span<const std::byte> part = stream.bytes();
    return Send(renderer, gpu::Submit3d{ctx_id, static_cast<uint32_t>(part.size()), {&part, 1}},
                completion);
  }

  // A texture that virgl commands can draw into, attached to a context.
  void MakeTarget(gpu::Renderer& renderer, uint32_t ctx_id, uint32_t resource_id, uint32_t side) {
    gpu::CreateContext context;
    context.ctx_id = ctx_id;
    EXPECT_EQ(Result(renderer, context), gpu::RenderResult::kOk);
    EXPECT_EQ(Result(renderer, Texture(resource_id, side)), gpu::RenderResult::kOk);
    EXPECT_EQ(Result(renderer, gpu::AttachResource{ctx_id, resource_id}), gpu::RenderResult::kOk);
  }
  static gpu::CreateResource3d Texture(uint32_t resource_id, uint32_t side) {
    gpu::CreateResource3d c;
    c.resource_id = resource_id;
    c.target = 2;  // PIPE_TEXTURE_2D
    c.format = frontend::kVirglFormatB8G8R8A8Unorm;
    c.bind = 2 | 8;  // VIRGL_BIND_RENDER_TARGET | VIRGL_BIND_SAMPLER_VIEW
    c.width = c.height = side;
    c.depth = c.array_size = 1;
    return c;
  }
  static frontend::VirglEncoder ClearStream(uint32_t resource_id,
                                            const frontend::VirglEncoder::Color& color) {
    frontend::VirglEncoder stream;
    stream.CreateSurface(resource_id + 100, resource_id, frontend::kVirglFormatB8G8R8A8Unorm);
    stream.SetFramebuffer(resource_id + 100);
    stream.Clear(color);
    return stream;
  }
  static uint32_t PixelAt(std::span<const std::byte> bytes, size_t index) {
    uint32_t pixel = 0;
    std::memcpy(&pixel, bytes.data() + index * 4, 4);
    return pixel;
  }

  EpollLoop loop;
  RecordingClient client;
  uint64_t last_token = 0;
};

}  // namespace rendercar::ipc
