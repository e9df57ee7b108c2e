// The node agent at scale: 64 GPUs of 16 shares, and 10,000 shares, against a stand-in kubelet on
// real sockets.
// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>

#include "common/subprocess.h"
#include "node/agent_fixture.h"
#include "node/preference.h"

namespace rendercar::node {
namespace {

constexpr int kGpus = 64;
constexpr uint32_t kReplicas = 16;
constexpr uint32_t kManyReplicas = 157;  // 10,048 shares

// The test fixture with many GPUs, outside GoogleTest.
class BigNode final : public AgentTest {
 public:
  explicit BigNode(uint32_t replicas) {
    for (int i = 0; i < kGpus; ++i) {
      sysfs_.AddPci(128 + i, {.address = Address(i), .numa_node = i % 2 == 0 ? "0" : "1"});
    }
    config_.resources.front().sizes.replicas = replicas;
    RC_CHECK(kubelet_.Start().ok(), "the stand-in kubelet starts");
  }
  static std::string Address(int i) { return fmt::format("0000:{:02x}:00.0", i + 1); }
  void TestBody() override {}

  void Start(size_t shares) {
    RC_CHECK(StartAgent().ok() && WaitForHealthy(shares), "the agent offers all shares");
  }
  std::vector<std::string> ProgramCommand(uint32_t replicas) {
    return {RENDERCAR_NODE_PROGRAM,
            "--kubelet-dir=" + places_.kubelet_dir,
            "--session-root=" + places_.session_root,
            "--sysfs-root=" + places_.roots.sysfs,
            "--dev-root=" + places_.roots.dev,
            "--pod-resources-socket=none",
            "--metrics-address=127.0.0.1:0",
            "--log-level=error",
            fmt::format("--replicas={}", replicas)};
  }
  bool WaitForNobody() {
    return kubelet_.WaitFor(
        kResource, [](const FakeResource& r) { return !r.connected; }, kPatience);
  }
  using AgentTest::agent_;
  using AgentTest::config_;
  using AgentTest::kubelet_;
  using AgentTest::OnLoop;
  using AgentTest::StopAgent;
  using AgentTest::sysfs_;
  using AgentTest::WaitForHealthy;
};

double ResidentMiB(const std::string& file) {
  std::ifstream statm(file);
  double total = 0;
  double resident = 0;
  statm >> total >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

// From the agent's start to the whole list at the kubelet.
void FirstList(benchmark::State& state) {
  const auto replicas = static_cast<uint32_t>(state.range(0));
  BigNode node(replicas);
  for (auto _ : state) {
    node.Start(kGpus * replicas);
    state.PauseTiming();
    node.StopAgent();
    state.ResumeTiming();
  }
  state.counters["resident_MiB_with_kubelet"] = ResidentMiB("/proc/self/statm");
}
BENCHMARK(FirstList)
    ->Arg(kReplicas)
    ->Arg(kManyReplicas)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

// From an unplug's event to the shorter list at the kubelet, and back.
void UnplugAndReplug(benchmark::State& state) {
  BigNode node(kReplicas);
  node.Start(kGpus * kReplicas);
  for (auto _ : state) {
    node.sysfs_.Remove(128);
    node.OnLoop([&] { benchmark::DoNotOptimize(node.agent_->Rescan()); });
    RC_CHECK(node.WaitForHealthy((kGpus - 1) * kReplicas), "the list gets shorter");
    node.sysfs_.Restore(128, "devices/pci0000:00/" + BigNode::Address(0));
    node.OnLoop([&] { benchmark::DoNotOptimize(node.agent_->Rescan()); });
    RC_CHECK(node.WaitForHealthy(kGpus * kReplicas), "the list gets longer");
  }
}
BENCHMARK(UnplugAndReplug)->Unit(benchmark::kMillisecond)->UseRealTime();

// One Allocate call of the kubelet, socket and directory included.
void Allocate(benchmark::State& state) {
  BigNode node(kReplicas);
  node.Start(kGpus * kReplicas);
  v1beta1::AllocateRequest request;
  request.add_container_requests()->add_devices_ids("0000-01-00.0-3");
  std::vector<double> microseconds;
  for (auto _ : state) {
    v1beta1::AllocateResponse response;
    const auto before = std::chrono::steady_clock::now();
    RC_CHECK(node.kubelet_.Allocate(kResource, request, &response).ok(), "the share is allocated");
    microseconds.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - before)
            .count());
  }
  std::sort(microseconds.begin(), microseconds.end());
  state.counters["p99_us"] = microseconds[microseconds.size() * 99 / 100];
}
BENCHMARK(Allocate)->Unit(benchmark::kMicrosecond)->UseRealTime();

// From a kubelet that has wiped its directory to the whole list at the new one.
void RegisterAgain(benchmark::State& state) {
  BigNode node(kReplicas);
  node.Start(kGpus * kReplicas);
  double slowest_ms = 0;
  for (auto _ : state) {
    node.kubelet_.Stop();
    const auto before = std::chrono::steady_clock::now();
    RC_CHECK(node.kubelet_.Start().ok(), "the stand-in kubelet starts again");
    RC_CHECK(node.WaitForHealthy(kGpus * kReplicas), "the list is whole");
    const std::chrono::duration<double, std::milli> took =
        std::chrono::steady_clock::now() - before;
    slowest_ms = std::max(slowest_ms, took.count());
  }
  state.counters["slowest_ms"] = slowest_ms;
}
BENCHMARK(RegisterAgain)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(100);

// The program itself: what it holds with all shares offered; and how soon it is back after a crash.
void ProgramAfterCrash(benchmark::State& state) {
  const auto replicas = static_cast<uint32_t>(state.range(0));
  BigNode node(replicas);
  double resident_mib = 0;
  double slowest_ms = 0;
  for (auto _ : state) {
    const auto before = std::chrono::steady_clock::now();
    auto agent = Subprocess::Start({.argv = node.ProgramCommand(replicas)});
    RC_CHECK(agent.ok(), "the agent starts");
    RC_CHECK(node.WaitForHealthy(kGpus * replicas), "the list is whole");
    const std::chrono::duration<double, std::milli> took =
        std::chrono::steady_clock::now() - before;
    slowest_ms = std::max(slowest_ms, took.count());
    state.PauseTiming();
    resident_mib = ResidentMiB(fmt::format("/proc/{}/statm", agent->pid()));
    agent->Signal(SIGKILL);
    agent->Wait(std::chrono::seconds(60));
    RC_CHECK(node.WaitForNobody(), "the kubelet sees the end");
    state.ResumeTiming();
  }
  state.counters["slowest_ms"] = slowest_ms;
  state.counters["resident_MiB"] = resident_mib;
}
BENCHMARK(ProgramAfterCrash)
    ->Arg(kReplicas)
    ->Arg(kManyReplicas)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

// The advice alone: 8 of 1,024.
void Prefer8(benchmark::State& state) {
  std::vector<RenderNode> nodes;
  for (int i = 0; i < kGpus; ++i) {
    RenderNode node;
    node.id = fmt::format("gpu{}", i);
    node.numa_node = i % 2;
    nodes.push_back(node);
  }
  const ShareTable table(nodes, {.replicas = kReplicas});
  std::vector<std::string> available;
  for (const Share& share : table.shares()) available.push_back(share.id);
  for (auto _ : state) {
    benchmark::DoNotOptimize(PreferShares(table, {}, available, {}, 8));
  }
}
BENCHMARK(Prefer8)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace rendercar::node
