// rendercar-bench: our backend and QEMU's, driven alternately in one run by the same frontend.
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "bench/footprint.h"
#include "bench/limits.h"
#include "bench/measure.h"
#include "bench/report.h"
#include "common/program.h"

namespace rendercar::bench {
namespace {

constexpr char kProgram[] = "rendercar-bench";

struct Flags {
  uint32_t rounds = 12;
  uint32_t slice_ms = 150;
  std::vector<std::string> only;
  uint32_t idle_sessions = 100;
  uint32_t idle_seconds = 60;
  bool json = false;
  bool smoke = false;
};

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--rounds", flags.rounds, "how often the backends alternate in each row");
  app.add_option("--slice-ms", flags.slice_ms, "how long each works in a round");
  app.add_option("--only", flags.only, "rows by id (create-1, small-32, start, memory, idle, ...)");
  app.add_option("--idle-sessions", flags.idle_sessions, "backends that idle together");
  app.add_option("--idle-seconds", flags.idle_seconds, "how long they are watched");
  app.add_flag("--json", flags.json, "JSON instead of tables");
  app.add_flag("--smoke", flags.smoke, "one short round of each row: does it still work?");
}

std::vector<Contender> FindContenders(std::vector<std::string>& notes) {
  std::vector<Contender> contenders;
  const frontend::BackendProgram own = frontend::OwnBackend(), qemu = frontend::QemuBackend();
  if (frontend::IsInstalled(own)) {
    Contender contender{"rendercar", own, own};
    contender.program_virgl.args.push_back("--virgl");
    contenders.push_back(contender);
    // Only where there is 3D does it matter in which process that runs.
    contenders.push_back({"rendercar, one process",
                          std::nullopt,
                          {RENDERCAR_IN_PROCESS_BACKEND,
                           {"--virgl", "--renderer-program=" RENDERCAR_RENDERER},
                           {}}});
  } else {
    notes.push_back("no backend of ours at " + own.path + ": build the target rendercar-backend");
  }
  if (frontend::IsInstalled(qemu)) {
    Contender contender{"qemu", qemu, qemu};
    contender.program_virgl.args.push_back("--virgl");
    contender.program_virgl.env.push_back(std::string("LD_PRELOAD=") + RENDERCAR_FORCE_SURFACELESS);
    contenders.push_back(contender);
    notes.push_back(
        "QEMU's backend cannot start virgl without GBM: its 3D rows run with the surfaceless flag "
        "forced by this benchmark's LD_PRELOAD (bench/force_surfaceless.c)");
  } else {
    notes.push_back("QEMU's backend is not installed (package qemu-system-gui): no ratios");
  }
  return contenders;
}

bool Wanted(const Flags& flags, const std::string& id) {
  return flags.only.empty() ||
         std::find(flags.only.begin(), flags.only.end(), id) != flags.only.end();
}

void MeasureFootprints(const Flags& flags, const std::vector<Contender>& contenders,
                       Report* report) {
  FootprintResult start{"exec to first reply, median", "10 ms", "ms", {}};
  FootprintResult start_virgl{"exec to first reply with virgl, median", "250 ms cold", "ms", {}};
  FootprintResult memory{"resident with one 1080p scanout, over its pixels", "8 MiB", "MiB", {}};
  FootprintResult idle{fmt::format("wake-ups of the busiest of {} idle sessions in {} s",
                                   flags.idle_sessions, flags.idle_seconds),
                       "0",
                       "wake-ups",
                       {}};
  const uint32_t starts = flags.smoke ? 1 : 20;
  for (const Contender& contender : contenders) {
    if (!contender.program_2d) continue;
    if (Wanted(flags, "start")) {
      const absl::StatusOr<Samples> plain = MeasureStart(*contender.program_2d, starts);
      if (plain.ok()) start.values.emplace_back(contender.name, plain->Percentile(0.5) * 1e3);
      const absl::StatusOr<Samples> virgl = MeasureStart(contender.program_virgl, starts);
      if (virgl.ok()) start_virgl.values.emplace_back(contender.name, virgl->Percentile(0.5) * 1e3);
    }
    if (Wanted(flags, "memory")) {
      const absl::StatusOr<double> bytes = MeasureMemory(*contender.program_2d);
      if (bytes.ok()) memory.values.emplace_back(contender.name, *bytes / 1048576);
    }
    if (Wanted(flags, "idle")) {
      const absl::StatusOr<IdleWakeups> wakeups = MeasureIdle(
          *contender.program_2d, flags.idle_sessions, std::chrono::seconds(flags.idle_seconds));
      if (wakeups.ok()) {
        idle.values.emplace_back(contender.name, static_cast<double>(wakeups->most));
      }
    }
  }
  report->footprints = {start, start_virgl, memory, idle};
}

int Run(const Flags& flags) {
  Report report;
  const std::vector<Contender> contenders = FindContenders(report.notes);
  const MeasureOptions options{flags.rounds, std::chrono::milliseconds(flags.slice_ms)};
  std::vector<Row> rows = Rows2d();
  for (const auto& more : {Rows3d(), RowsProtocol()})
    rows.insert(rows.end(), more.begin(), more.end());
  bool failed = false;
  for (const Row& row : rows) {
    if (!Wanted(flags, row.id)) continue;
    std::fprintf(stderr, "==> %s\n", row.name.c_str());
    report.rows.push_back({row, MeasureRow(row, contenders, options)});
    for (const Figures& figures : report.rows.back().figures) failed |= !figures.failure.empty();
  }
  std::fprintf(stderr, "==> start, memory, idle, limits\n");
  MeasureFootprints(flags, contenders, &report);
  report.limits = MeasureLimits(options.slice);
  const std::string text = flags.json ? ToJson(report) : ToMarkdown(report);
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (contenders.empty()) return static_cast<int>(ExitCode::kUnavailable);
  return static_cast<int>(failed ? ExitCode::kInternal : ExitCode::kOk);
}

}  // namespace
}  // namespace rendercar::bench

int main(int argc, char** argv) {
  using namespace rendercar;
  CLI::App app("Measures our vhost-user-gpu backend beside QEMU's, without a VM.");
  ProgramFlags program(app, bench::kProgram);
  bench::Flags flags;
  bench::AddFlags(app, flags);
  if (const std::optional<ExitCode> end = program.Parse(argc, argv)) return static_cast<int>(*end);
  if (flags.smoke) {
    flags.rounds = 1;
    flags.slice_ms = 20;
    flags.idle_sessions = 2;
    flags.idle_seconds = 1;
  }
  return bench::Run(flags);
}
