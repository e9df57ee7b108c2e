// What statistics cost the device's hot path: what one command writes, alone and while somebody
// reads the page without pause (a scrape reads it once in many seconds).
// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "common/stats_page.h"
#include "common/temp_dir.h"

namespace rendercar {
namespace {

void WriteOneCommand(StatsWriter& stats) {
  stats.CountCommand(StatsCommand::kTransferToHost2d, StatsResult::kOk);
  stats.Count(StatsValue::kBytes2d, 16384);
  stats.Observe(StatsHistogram::kCommand2d, std::chrono::microseconds(7));
}

void BM_WriteOneCommand(benchmark::State& state) {
  const TempDir dir;
  auto stats = StatsWriter::Create(dir / "bench.stats");
  if (!stats.ok()) return state.SkipWithError(stats.status().ToString().c_str());
  for (auto _ : state) WriteOneCommand(*stats);
}
BENCHMARK(BM_WriteOneCommand);

void BM_WriteOneCommandWhileItIsRead(benchmark::State& state) {
  const TempDir dir;
  auto stats = StatsWriter::Create(dir / "bench.stats");
  if (!stats.ok()) return state.SkipWithError(stats.status().ToString().c_str());
  std::atomic<bool> done = false;
  std::atomic<int64_t> reads = 0;
  std::thread reader([&] {
    while (!done) {
      benchmark::DoNotOptimize(ReadStats(dir / "bench.stats"));
      ++reads;
    }
  });
  for (auto _ : state) WriteOneCommand(*stats);
  done = true;
  reader.join();
  state.counters["reads"] =
      benchmark::Counter(static_cast<double>(reads), benchmark::Counter::kIsRate);
}
BENCHMARK(BM_WriteOneCommandWhileItIsRead);

void BM_ReadPage(benchmark::State& state) {
  const TempDir dir;
  auto stats = StatsWriter::Create(dir / "bench.stats");
  if (!stats.ok()) return state.SkipWithError(stats.status().ToString().c_str());
  for (auto _ : state) benchmark::DoNotOptimize(ReadStats(dir / "bench.stats"));
}
BENCHMARK(BM_ReadPage);

}  // namespace
}  // namespace rendercar
