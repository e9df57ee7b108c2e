// The statistics of all sessions on this node, as Prometheus collects them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <memory>
#include <string>
#include <vector>

#include "common/stats_page.h"
#include "node/pod_resources.h"

namespace rendercar::node {

// One session's page and whose it is.
struct SessionStats {
  std::string session;
  std::string share;
  ShareUser user;  // empty while the kubelet does not tell
  StatsSnapshot stats;
};

// Pages in session directories are written by pods, and hostile: only plain files named
// "<session>.stats" count, only numbers are taken, and no more than these are looked at.
inline constexpr size_t kMaxSessionsPerShare = 8;
inline constexpr size_t kMaxEntriesPerDirectory = 256;
inline constexpr size_t kMaxSessionNameBytes = 63;

// Shares that no pod has (`users` known and without them) are left out: their pages are of the
// dead.
std::vector<SessionStats> GatherSessions(const std::string& session_root, const ShareUsers* users);

// Collects at each scrape, on the scraping thread.
class SessionCollector final : public prometheus::Collectable {
 public:
  SessionCollector(std::string session_root, std::shared_ptr<const ShareUserBook> users)
      : session_root_(std::move(session_root)), users_(std::move(users)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::string session_root_;
  const std::shared_ptr<const ShareUserBook> users_;
};

}  // namespace rendercar::node
