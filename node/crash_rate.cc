// Whether sessions lose their renderers on a render node so often that it, and not one guest, must
// be the cause.
// SPDX-License-Identifier: Apache-2.0
#include "node/crash_rate.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "common/log.h"
#include "node/share.h"

namespace rendercar::node {
namespace {

// Entries of one node; a pod that claims a death at every look cannot make the list long.
constexpr size_t kMaxDeaths = 4096;

}  // namespace

CrashRate::CrashRate(Clock clock, CrashNote note)
    : clock_(std::move(clock)), note_(std::move(note)), history_(note_.Read()) {}

void CrashRate::Observe(const std::vector<SessionDeaths>& sessions) {
  const auto now = clock_();
  CrashHistory::Counts seen;
  for (const SessionDeaths& one : sessions) {
    const uint64_t counted = CountedOf(one);
    if (one.deaths > counted) {
      std::deque<CrashHistory::Death>& deaths = history_.deaths[NodeIdOf(one.share)];
      deaths.push_back({now, one.pod, one.deaths - counted});
      if (deaths.size() > kMaxDeaths) deaths.pop_front();
    }
    seen[{one.share, one.session}] = {one.started_ns, one.deaths};
  }
  first_ = false;
  if (seen == history_.known) return;
  history_.known = std::move(seen);
  Remember();
}

// Its deaths that need not be counted any more.
uint64_t CrashRate::CountedOf(const SessionDeaths& session) const {
  const auto before = history_.known.find({session.share, session.session});
  if (before == history_.known.end()) return first_ ? session.deaths : 0;
  return before->second.started_ns == session.started_ns ? before->second.deaths : 0;
}

void CrashRate::Forget(std::deque<CrashHistory::Death>& deaths) const {
  const auto oldest = clock_() - limit_.window;
  while (!deaths.empty() && deaths.front().when <= oldest) deaths.pop_front();
}

void CrashRate::Remember() {
  for (auto& [node, deaths] : history_.deaths) Forget(deaths);
  std::erase_if(history_.deaths, [](const auto& entry) { return entry.second.empty(); });
  if (const absl::Status status = note_.Write(history_); !status.ok()) {
    log::Error("a restart will not know which renderers died",
               {{"why", std::string(status.message())}});
  }
}

std::string CrashRate::Problem(const std::string& node_id) {
  const auto found = history_.deaths.find(node_id);
  if (found == history_.deaths.end() || limit_.crashes == 0) return "";
  Forget(found->second);
  std::map<std::string, uint64_t> by_pod;
  const uint64_t part = (limit_.crashes + limit_.pods - 1) / limit_.pods;
  for (const CrashHistory::Death& death : found->second) {
    uint64_t& count = by_pod[death.pod];
    count += std::min(death.count, part - std::min(part, count));
  }
  uint64_t sum = 0;
  for (const auto& [pod, count] : by_pod) sum += count;
  if (sum < limit_.crashes || by_pod.size() < limit_.pods) return "";
  return fmt::format("renderers of {} pods died on it within {} s; it is used again when that ends",
                     by_pod.size(), limit_.window.count());
}

}  // namespace rendercar::node
