// What a request costs on its way through a virtqueue, and an address on its way through the memory
// table.
// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include "backend/guest/fake_guest.h"
#include "backend/guest/virtqueue.h"

namespace rendercar::guest {
namespace {

constexpr uint64_t kRing = FakeGuestMemory::kGuestBase;
constexpr uint64_t kData = kRing + 0x40000;
constexpr uint64_t kTable = kRing + 0x50000;

// Batches of `range(0)` requests of one readable and one writable buffer: added, popped, answered,
// published. The driver's share is in the figure too.
void BM_PopPush(benchmark::State& state) {
  FakeGuestMemory memory;
  FakeDriver driver(memory, kRing, 256);
  auto queue = Virtqueue::Create(driver.config(), memory.Map());
  const std::vector<FakeBuffer> buffers{{kData, 40}, {kData + 64, 24, true}};
  for (auto _ : state) {
    for (int64_t i = 0; i < state.range(0); ++i) driver.Add(buffers);
    for (int64_t i = 0; i < state.range(0); ++i) {
      auto chain = queue->Pop();
      queue->Push((**chain).head, 24);
    }
    benchmark::DoNotOptimize(queue->PublishUsed());
    while (driver.TakeUsed().has_value()) {
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_PopPush)->Arg(1)->Arg(32)->Arg(128);

void BM_PopPushIndirect(benchmark::State& state) {
  FakeGuestMemory memory;
  FakeDriver driver(memory, kRing, 256);
  auto queue = Virtqueue::Create(driver.config(), memory.Map());
  const std::vector<FakeBuffer> buffers(static_cast<size_t>(state.range(0)), {kData, 4096});
  for (auto _ : state) {
    driver.AddIndirect(buffers, kTable);
    auto chain = queue->Pop();
    queue->Push((**chain).head, 0);
    benchmark::DoNotOptimize(queue->PublishUsed());
    while (driver.TakeUsed().has_value()) {
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_PopPushIndirect)->Arg(2)->Arg(64);

void BM_Translate(benchmark::State& state) {
  const auto memory = FakeGuestMemory({1u << 20, 1u << 20, 1u << 20, 1u << 20}).Map();
  uint64_t offset = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(memory->Translate(kRing + offset, 4096));
    offset = (offset + 0x31000) & 0x3ff000;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Translate);

}  // namespace
}  // namespace rendercar::guest
