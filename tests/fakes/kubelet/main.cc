// fake-kubelet: the kubelet's device manager as a program, for the demo and for trying a plugin by
// hand.
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <optional>
#include <thread>

#include "common/epoll_loop.h"
#include "common/program.h"
#include "tests/fakes/kubelet/allocation_output.h"
#include "tests/fakes/kubelet/fake_kubelet.h"

namespace {

using rendercar::testing::FakeKubelet;
using rendercar::testing::FakeResource;

constexpr char kProgram[] = "fake-kubelet";

struct Flags {
  std::string dir;
  std::string allocate;  // RESOURCE=COUNT
  std::string output;
  std::string output_env;
  bool host_paths = false;
  bool stay = false;
  double timeout_s = 30;
};

struct Wish {
  std::string resource;
  int count = 0;
};

absl::StatusOr<Wish> ParseWish(const std::string& text) {
  const size_t equals = text.rfind('=');
  const std::string number = equals == std::string::npos ? "" : text.substr(equals + 1);
  const bool digits = !number.empty() && number.size() < 6 &&
                      number.find_first_not_of("0123456789") == std::string::npos;
  if (!digits || std::stoi(number) == 0) {
    return absl::InvalidArgumentError(fmt::format(
        "--allocate={} is not RESOURCE=COUNT, for example rendercar.dev/render=1", text));
  }
  return Wish{text.substr(0, equals), std::stoi(number)};
}

absl::Status WriteFile(const std::string& path, const std::string& content) {
  if (path.empty()) return absl::OkStatus();
  std::ofstream file(path);
  file << content;
  file.close();
  if (file.good()) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format("cannot write '{}'", path));
}

absl::Status Allocate(FakeKubelet& kubelet, const Flags& flags, const Wish& wish) {
  const auto timeout = std::chrono::milliseconds(static_cast<int64_t>(flags.timeout_s * 1000));
  const bool enough = kubelet.WaitFor(
      wish.resource,
      [&](const FakeResource& r) { return r.healthy() >= static_cast<size_t>(wish.count); },
      timeout);
  if (!enough) {
    const auto known = kubelet.Resource(wish.resource);
    return absl::DeadlineExceededError(
        known
            ? fmt::format("after {} s {} has {} healthy devices, {} are asked for", flags.timeout_s,
                          wish.resource, known->healthy(), wish.count)
            : fmt::format("after {} s no plugin has registered {} in {}; is rendercar-node running "
                          "with this --kubelet-dir?",
                          flags.timeout_s, wish.resource, flags.dir));
  }
  RC_ASSIGN_OR_RETURN(auto allocation, kubelet.AllocateContainer(wish.resource, wish.count));
  if (flags.host_paths) rendercar::testing::UseHostPaths(allocation);
  const std::string json = rendercar::testing::AllocationJson(wish.resource, allocation);
  RC_RETURN_IF_ERROR(WriteFile(flags.output, json));
  RC_RETURN_IF_ERROR(WriteFile(flags.output_env, rendercar::testing::AllocationShell(allocation)));
  if (flags.output.empty() && flags.output_env.empty()) std::fputs(json.c_str(), stdout);
  return absl::OkStatus();
}

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--dir", flags.dir,
                 "The device-plugin directory; its sockets are removed at start")
      ->required()
      ->option_text("DIR");
  app.add_option("--allocate", flags.allocate,
                 "Wait for so many healthy devices, allocate them for one container, and exit")
      ->option_text("RESOURCE=COUNT");
  app.add_option("--output", flags.output,
                 "Write what the container gets as JSON (default: stdout)")
      ->option_text("FILE");
  app.add_option("--output-env", flags.output_env, "Write its environment as shell exports")
      ->option_text("FILE");
  app.add_flag("--host-paths", flags.host_paths,
               "Name host paths instead of container paths: for a workload without mounts");
  app.add_flag("--stay", flags.stay, "Stay until SIGTERM after --allocate too");
  app.add_option("--timeout", flags.timeout_s, "Longest wait for devices, in seconds")
      ->capture_default_str()
      ->option_text("SECONDS");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Stands in for the kubelet's device manager: serves Registration on DIR/kubelet.sock."};
  rendercar::ProgramFlags program(app, kProgram);
  Flags flags;
  AddFlags(app, flags);
  if (const auto exit = program.Parse(argc, argv)) return static_cast<int>(*exit);
  std::optional<Wish> wish;
  if (!flags.allocate.empty()) {
    auto parsed = ParseWish(flags.allocate);
    if (!parsed.ok()) return rendercar::Fail(kProgram, parsed.status());
    wish = *parsed;
  }
  rendercar::EpollLoop loop;
  const rendercar::ShutdownSignals signals(loop, [&loop](int) { loop.Quit(); });
  FakeKubelet kubelet(flags.dir, [](const std::string& line) {
    rendercar::log::Info("kubelet", {{"event", line}});
  });
  if (const absl::Status started = kubelet.Start(); !started.ok()) {
    return rendercar::Fail(kProgram, started);
  }
  absl::Status result;
  std::thread worker([&] {
    if (!wish) return;
    result = Allocate(kubelet, flags, *wish);
    if (!flags.stay || !result.ok()) loop.Post([&loop] { loop.Quit(); });
  });
  loop.Run();
  worker.join();
  kubelet.Stop();
  return result.ok() ? 0 : rendercar::Fail(kProgram, result);
}
