// What Prometheus scrapes: read from the sessions and their statistics pages at each scrape.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/metrics/session_collector.h"

#include <prometheus/metric_family.h>

#include <string>
#include <utility>

#include "common/stats_page.h"
#include "common/version.h"
#include "sidecar/metrics/metric_table.h"

namespace rendercar::sidecar {
namespace {

using Labels = MetricLabels;
using Families = std::vector<prometheus::MetricFamily>;

// A session and its page, where that can be read.
struct Scraped {
  SessionView session;
  absl::StatusOr<StatsSnapshot> stats;
};

Labels LabelsOf(const Scraped& scraped, Labels more = {}) {
  Labels labels{{"session", scraped.session.spec.name},
                {"render_node", scraped.session.share.render_node},
                {"share", scraped.session.share.id}};
  labels.insert(labels.end(), more.begin(), more.end());
  return labels;
}

const char* Name(SessionState state) {
  switch (state) {
    case SessionState::kStarting:
      return "starting";
    case SessionState::kReady:
      return "ready";
    case SessionState::kBackingOff:
      return "backing_off";
    case SessionState::kStopping:
      return "stopping";
  }
  return "unknown";
}

// A family with one sample for each session.
void PerSession(const std::vector<Scraped>& all, const Metric& metric,
                const std::function<double(const SessionView&)>& value, Families& families) {
  FamilyBuilder family(metric);
  for (const Scraped& one : all) family.Add(LabelsOf(one), value(one.session));
  std::move(family).AppendTo(families);
}

void AddUpgrades(const std::vector<Scraped>& all, Families& families) {
  FamilyBuilder family(kSessionUpgrades);
  for (const Scraped& one : all) {
    const SessionView& session = one.session;
    family.Add(LabelsOf(one, {{"result", "ok"}}), static_cast<double>(session.upgrades));
    family.Add(LabelsOf(one, {{"result", "failed"}}), static_cast<double>(session.failed_upgrades));
  }
  std::move(family).AppendTo(families);
}

void AddSessions(const std::vector<Scraped>& all, Families& families) {
  FamilyBuilder info(kSessionInfo);
  FamilyBuilder state(kSessionState);
  for (const Scraped& one : all) {
    const SessionSpec& spec = one.session.spec;
    info.Add(LabelsOf(one, {{"acceleration", spec.virgl ? "virgl" : "none"},
                            {"display", Name(spec.display_mode)}}),
             1);
    for (const SessionState each : {SessionState::kStarting, SessionState::kReady,
                                    SessionState::kBackingOff, SessionState::kStopping}) {
      state.Add(LabelsOf(one, {{"state", Name(each)}}), one.session.state == each ? 1 : 0);
    }
  }
  std::move(info).AppendTo(families);
  std::move(state).AppendTo(families);
  PerSession(
      all, kSessionUp, [](const SessionView& s) { return s.state == SessionState::kReady ? 1 : 0; },
      families);
  PerSession(
      all, kBackendUp, [](const SessionView& s) { return s.backend_pid != 0 ? 1 : 0; }, families);
  PerSession(
      all, kBackendRestarts,
      [](const SessionView& s) { return static_cast<double>(s.backend_restarts); }, families);
  PerSession(
      all, kMemoryKills, [](const SessionView& s) { return static_cast<double>(s.memory_kills); },
      families);
  AddUpgrades(all, families);
  PerSession(
      all, kSessionCreated,
      [](const SessionView& s) {
        return std::chrono::duration<double>(s.create_time.time_since_epoch()).count();
      },
      families);
}

void AddPages(const std::vector<Scraped>& all, Families& families) {
  std::vector<LabelledPage> pages;
  for (const Scraped& one : all) {
    if (one.stats.ok()) pages.push_back({LabelsOf(one), *one.stats});
  }
  AppendPageFamilies(pages, /*zeros=*/true, families);
}

void AddPressure(const ContainerUsage& usage, Families& families) {
  FamilyBuilder family(kContainerPressure);
  for (const ContainerUsage::Pressure& each : usage.pressure)
    family.Add({{"resource", each.resource}, {"tasks", each.tasks}}, each.seconds);
  std::move(family).AppendTo(families);
}

template <typename T>
void AddOptional(const Metric& metric, const std::optional<T>& value, Families& families) {
  if (!value) return;
  FamilyBuilder family(metric);
  family.Add({}, static_cast<double>(*value));
  std::move(family).AppendTo(families);
}

void AddProcess(const std::vector<ShareUse>& shares, const ContainerUsage& usage,
                Families& families) {
  FamilyBuilder build(kBuildInfo);
  build.Add({{"version", kVersion}, {"component", "sidecar"}}, 1);
  std::move(build).AppendTo(families);
  FamilyBuilder share_info(kShareInfo);
  for (const ShareUse& use : shares)
    share_info.Add({{"share", use.share.id}, {"render_node", use.share.render_node}}, 1);
  std::move(share_info).AppendTo(families);
  AddOptional(kContainerCpu, usage.cpu_seconds, families);
  AddOptional(kContainerMemory, usage.memory_bytes, families);
  AddOptional(kContainerMemoryLimit, usage.memory_limit_bytes, families);
  AddPressure(usage, families);
}

}  // namespace

SessionCollector::SessionCollector(std::function<MetricsSource()> source,
                                   std::function<ContainerUsage()> usage)
    : source_(std::move(source)), usage_(std::move(usage)) {}

std::vector<prometheus::MetricFamily> SessionCollector::Collect() const {
  const MetricsSource source = source_();
  std::vector<Scraped> all;
  for (const SessionView& session : source.sessions)
    all.push_back({session, ReadStats(session.stats_path)});
  Families families;
  AddProcess(source.shares, usage_(), families);
  AddSessions(all, families);
  AddPages(all, families);
  return families;
}

}  // namespace rendercar::sidecar
