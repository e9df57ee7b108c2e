// What a scrape shows for a session, and that the document lists every metric.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/metrics/session_collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "common/stats_page.h"
#include "common/subprocess.h"
#include "common/temp_dir.h"
#include "sidecar/metrics/hook_metrics.h"
#include "sidecar/metrics/metric_table.h"
#include "sidecar/metrics/metrics_server.h"
#include "sidecar/metrics/preflight_collector.h"

namespace rendercar::sidecar {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

SessionView Gpu0(const std::string& stats_path) {
  SessionView session;
  session.spec.name = "gpu0";
  session.share = {"share-1", "/dev/dri/renderD128", "", 0};
  session.state = SessionState::kReady;
  session.stats_path = stats_path;
  session.backend_pid = 42;
  session.backend_restarts = 3;
  return session;
}

std::vector<prometheus::MetricFamily> Collect(const std::vector<SessionView>& sessions) {
  const SessionCollector collector(
      [sessions] {
        return MetricsSource{sessions, {{sessions[0].share, "gpu0"}}};
      },
      [] {
        return ContainerUsage{1.5, 100, 200, {{"cpu", "some", 2.5}}};
      });
  return collector.Collect();
}

std::string Scrape(const std::vector<SessionView>& sessions) {
  return prometheus::TextSerializer().Serialize(Collect(sessions));
}

constexpr char kLabels[] =
    "{session=\"gpu0\",render_node=\"/dev/dri/renderD128\",share=\"share-1\"";

TEST(SessionCollectorTest, shows_the_numbers_of_the_page) {
  const TempDir dir;
  auto stats = StatsWriter::Create(dir / "gpu0.stats");
  ASSERT_TRUE(stats.ok());
  stats->Count(StatsValue::kBytes2d, 4096);
  stats->CountCommand(StatsCommand::kSubmit3d, StatsResult::kError);
  stats->CountError(StatsError::kBadDescriptor);
  const std::string text = Scrape({Gpu0(dir / "gpu0.stats")});
  const std::string labels = kLabels;
  EXPECT_THAT(text, HasSubstr("rendercar_2d_bytes_total" + labels + "} 4096\n"));
  EXPECT_THAT(text, HasSubstr("rendercar_commands_total" + labels +
                              ",command=\"submit_3d\",result=\"error\"} 1\n"));
  EXPECT_THAT(text,
              HasSubstr("rendercar_guest_errors_total" + labels + ",kind=\"bad_descriptor\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("rendercar_backend_restarts_total" + labels + "} 3\n"));
  EXPECT_THAT(text, HasSubstr("rendercar_session_up" + labels + "} 1\n"));
}

TEST(SessionCollectorTest, shows_durations_as_cumulative_buckets) {
  const TempDir dir;
  auto stats = StatsWriter::Create(dir / "gpu0.stats");
  ASSERT_TRUE(stats.ok());
  stats->Observe(StatsHistogram::kFence, std::chrono::microseconds(2));
  stats->Observe(StatsHistogram::kFence, std::chrono::hours(1));
  stats->Observe(StatsHistogram::kCommand3d, std::chrono::microseconds(1));
  const std::string text = Scrape({Gpu0(dir / "gpu0.stats")});
  const std::string labels = kLabels;
  const std::string fences = "rendercar_fence_duration_seconds_bucket" + labels;
  EXPECT_THAT(text, HasSubstr(fences + ",le=\"1e-06\"} 0\n"));
  EXPECT_THAT(text, HasSubstr(fences + ",le=\"2e-06\"} 1\n"));
  EXPECT_THAT(text, HasSubstr(fences + ",le=\"8.388608\"} 1\n"));
  EXPECT_THAT(text, HasSubstr(fences + ",le=\"+Inf\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("rendercar_fence_duration_seconds_sum" + labels + "} 3600.000002\n"));
  EXPECT_THAT(text,
              HasSubstr("rendercar_command_duration_seconds_count" + labels + ",kind=\"3d\"} 1\n"));
}

// The number of series is the number of sessions times a constant, whatever guests and pods write.
TEST(SessionCollectorTest, a_page_of_garbage_makes_no_more_series_than_an_empty_one) {
  const TempDir dir;
  ASSERT_TRUE(StatsWriter::Create(dir / "empty.stats").ok());
  ASSERT_TRUE(StatsWriter::Create(dir / "full.stats").ok());
  std::fstream page(dir / "full.stats", std::ios::in | std::ios::out | std::ios::binary);
  page.seekp(16);
  page << std::string(sizeof(StatsPage) - 16, '\xff') << std::flush;
  const auto series = [](const std::string& text) {
    return std::count(text.begin(), text.end(), '\n');
  };
  const std::string empty = Scrape({Gpu0(dir / "empty.stats")});
  EXPECT_EQ(series(Scrape({Gpu0(dir / "full.stats")})), series(empty));
  const auto one_more = series(Scrape({Gpu0(dir / "empty.stats"), Gpu0(dir / "empty.stats")}));
  EXPECT_LE(one_more - series(empty), 300);  // docs/metrics.md names this number
}

TEST(SessionCollectorTest, without_a_page_the_session_is_still_shown) {
  const std::string text = Scrape({Gpu0("/nonexistent")});
  EXPECT_THAT(text, HasSubstr("rendercar_backend_up"));
  EXPECT_THAT(text, Not(HasSubstr("rendercar_2d_bytes_total")));
}

TEST(SessionCollectorTest, shows_the_container_and_its_shares) {
  const std::string text = Scrape({Gpu0("")});
  EXPECT_THAT(text, HasSubstr("rendercar_container_cpu_seconds_total 1.5\n"));
  EXPECT_THAT(
      text,
      HasSubstr("rendercar_share_info{share=\"share-1\",render_node=\"/dev/dri/renderD128\"} 1\n"));
}

TEST(MetricTableTest, every_scraped_metric_is_in_the_table) {
  const TempDir dir;
  ASSERT_TRUE(StatsWriter::Create(dir / "gpu0.stats").ok());
  std::set<std::string> known;
  for (const DocumentedMetric& each : AllMetrics()) known.insert(each.metric.name);
  std::set<std::string> scraped;
  for (const auto& family : Collect({Gpu0(dir / "gpu0.stats")})) scraped.insert(family.name);
  for (const auto& family : HookMetrics().Collect()) scraped.insert(family.name);
  const PreflightCollector preflight([] {
    return std::vector<PreflightCheck>{{"MemoryNotShared", PreflightResult::kPass, ""}};
  });
  for (const auto& family : preflight.Collect()) scraped.insert(family.name);
  EXPECT_EQ(scraped, known);
}

TEST(MetricTableTest, the_document_has_the_table_as_it_is_now) {
  std::ostringstream document;
  document << std::ifstream(RENDERCAR_SOURCE_DIR "/docs/metrics.md").rdbuf();
  EXPECT_THAT(document.str(), HasSubstr(MetricsMarkdown()))
      << "replace the sidecar's table in docs/metrics.md by:\n"
      << MetricsMarkdown();
}

TEST(MetricTableTest, promtool_has_nothing_to_say) {
  if (::access("/usr/bin/promtool", X_OK) != 0)
    GTEST_SKIP() << "SKIPPED: promtool is not installed (Debian package prometheus)";
  const TempDir dir;
  ASSERT_TRUE(StatsWriter::Create(dir / "gpu0.stats").ok());
  std::ofstream(dir / "scrape") << Scrape({Gpu0(dir / "gpu0.stats")});
  auto child = Subprocess::Start(
      {.argv = {"/bin/sh", "-c", "promtool check metrics < " + (dir / "scrape")}});
  ASSERT_TRUE(child.ok());
  const auto end = child->Wait(std::chrono::seconds(60));
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(end->clean()) << end->ToString();
}

TEST(HookMetricsTest, every_result_is_there_before_the_first_call) {
  HookMetrics hooks;
  const auto scrape = [&] { return prometheus::TextSerializer().Serialize(hooks.Collect()); };
  const std::string refused =
      "rendercar_hook_calls_total{hook=\"define_domain\",result=\"INVALID_ARGUMENT\"} ";
  EXPECT_THAT(scrape(), HasSubstr(refused + "0\n"));
  hooks.Answered(Hook::kDefineDomain, absl::InvalidArgumentError("no"), std::chrono::seconds(1));
  hooks.Answered(Hook::kDefineDomain, absl::OkStatus(), std::chrono::milliseconds(3));
  EXPECT_THAT(scrape(), HasSubstr(refused + "1\n"));
  EXPECT_THAT(scrape(),
              HasSubstr("rendercar_hook_duration_seconds_count{hook=\"define_domain\"} 2"));
}

TEST(HookMetricsTest, a_code_that_no_hook_has_makes_no_new_series) {
  HookMetrics hooks;
  const size_t before = hooks.Collect()[0].metric.size();
  hooks.Answered(Hook::kNodeHook, absl::DataLossError("?"), std::chrono::seconds(1));
  EXPECT_EQ(hooks.Collect()[0].metric.size(), before);
}

TEST(MetricsServerTest, an_address_without_port_is_refused) {
  const auto server = MetricsServer::Start("0.0.0.0", {});
  EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(server.status().message(), HasSubstr("write HOST:PORT"));
}

TEST(MetricsServerTest, a_taken_port_is_told) {
  const auto collector = std::make_shared<SessionCollector>([] { return MetricsSource(); },
                                                            [] { return ContainerUsage(); });
  const auto first = MetricsServer::Start("127.0.0.1:0", {collector});
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = MetricsServer::Start((*first)->address(), {collector});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(second.status().message(), HasSubstr("--metrics-address"));
}

}  // namespace
}  // namespace rendercar::sidecar
