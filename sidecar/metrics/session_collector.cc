// What Prometheus scrapes: read from the sessions and their statistics pages at each scrape.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/metrics/session_collector.h"

#include <prometheus/metric_family.h>

#include <limits>
#include <string>
#include <utility>

#include "common/stats_page.h"
#include "common/version.h"
#include "sidecar/metrics/metric_table.h"

namespace rendercar::sidecar {
namespace {

using Labels = std::vector<prometheus::ClientMetric::Label>;
using Families = std::vector<prometheus::MetricFamily>;

// One family under construction.
class FamilyBuilder {
 public:
  explicit FamilyBuilder(const Metric& metric) {
    family_.name = metric.name;
    family_.help = metric.help;
    family_.type = metric.type;
  }
  void Add(Labels labels, double value) {
    prometheus::ClientMetric sample;
    sample.label = std::move(labels);
    if (family_.type == prometheus::MetricType::Counter) {
      sample.counter.value = value;
    } else {
      sample.gauge.value = value;
    }
    family_.metric.push_back(std::move(sample));
  }
  void Add(Labels labels, prometheus::ClientMetric::Histogram value) {
    prometheus::ClientMetric sample;
    sample.label = std::move(labels);
    sample.histogram = std::move(value);
    family_.metric.push_back(std::move(sample));
  }
  void AppendTo(Families& families) && {
    if (!family_.metric.empty()) families.push_back(std::move(family_));
  }

 private:
  prometheus::MetricFamily family_;
};

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

const char* Name(DisplayMode mode) {
  switch (mode) {
    case DisplayMode::kHeadless:
      return "headless";
    case DisplayMode::kSecondary:
      return "secondary";
    case DisplayMode::kPrimary:
      return "primary";
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
      all, kSessionCreated,
      [](const SessionView& s) {
        return std::chrono::duration<double>(s.create_time.time_since_epoch()).count();
      },
      families);
}

void AddCommands(const std::vector<Scraped>& all, Families& families) {
  FamilyBuilder commands(kCommands);
  FamilyBuilder errors(kGuestErrors);
  for (const Scraped& one : all) {
    if (!one.stats.ok()) continue;
    for (size_t c = 0; c < one.stats->commands.size(); ++c) {
      for (size_t r = 0; r < one.stats->commands[c].size(); ++r) {
        commands.Add(
            LabelsOf(one, {{"command", std::string(ToString(static_cast<StatsCommand>(c)))},
                           {"result", std::string(ToString(static_cast<StatsResult>(r)))}}),
            static_cast<double>(one.stats->commands[c][r]));
      }
    }
    for (size_t e = 0; e < one.stats->errors.size(); ++e) {
      errors.Add(LabelsOf(one, {{"kind", std::string(ToString(static_cast<StatsError>(e)))}}),
                 static_cast<double>(one.stats->errors[e]));
    }
  }
  std::move(commands).AppendTo(families);
  std::move(errors).AppendTo(families);
}

void AddPageValues(const std::vector<Scraped>& all, Families& families) {
  for (const PageMetric& page : PageMetrics()) {
    FamilyBuilder family(page.metric);
    for (const Scraped& one : all) {
      if (one.stats.ok()) family.Add(LabelsOf(one), static_cast<double>((*one.stats)[page.value]));
    }
    std::move(family).AppendTo(families);
  }
}

prometheus::ClientMetric::Histogram ToHistogram(const StatsDurations& durations) {
  prometheus::ClientMetric::Histogram histogram;
  for (size_t i = 0; i < durations.buckets.size(); ++i) {
    histogram.sample_count += durations.buckets[i];
    const double bound =
        i < kStatsBuckets ? StatsBucketSeconds(i) : std::numeric_limits<double>::infinity();
    histogram.bucket.push_back({histogram.sample_count, bound});
  }
  histogram.sample_sum = static_cast<double>(durations.sum_ns) * 1e-9;
  return histogram;
}

void AddDurations(const std::vector<Scraped>& all, Families& families) {
  for (const Metric& metric : {kCommandDuration, kFenceDuration, kRecoveryDuration}) {
    FamilyBuilder family(metric);
    for (const DurationMetric& each : DurationMetrics()) {
      if (each.metric.name != metric.name) continue;
      for (const Scraped& one : all) {
        if (!one.stats.ok()) continue;
        const Labels kind = each.kind == nullptr ? Labels{} : Labels{{"kind", each.kind}};
        family.Add(LabelsOf(one, kind), ToHistogram((*one.stats)[each.histogram]));
      }
    }
    std::move(family).AppendTo(families);
  }
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
  AddCommands(all, families);
  AddPageValues(all, families);
  AddDurations(all, families);
  return families;
}

}  // namespace rendercar::sidecar
