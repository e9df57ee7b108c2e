// Whether sessions lose their renderers on a render node so often that it, and not one guest, must
// be the cause.
// SPDX-License-Identifier: Apache-2.0
#include "node/crash_rate.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "node/share.h"

namespace rendercar::node {
namespace {

// Entries of one node; a pod that claims a death at every look cannot make the list long.
constexpr size_t kMaxDeaths = 4096;

}  // namespace

void CrashRate::Observe(const std::vector<SessionDeaths>& sessions) {
  const auto now = clock_();
  std::map<std::pair<std::string, std::string>, Count> seen;
  for (const SessionDeaths& one : sessions) {
    const std::pair key{one.share, one.session};
    const auto before = known_.find(key);
    const bool same = before != known_.end() && before->second.started_ns == one.started_ns;
    const uint64_t base = same ? before->second.deaths : 0;
    if (!first_ && one.deaths > base) {
      std::deque<Death>& deaths = deaths_[NodeIdOf(one.share)];
      deaths.push_back({now, one.pod, one.deaths - base});
      if (deaths.size() > kMaxDeaths) deaths.pop_front();
    }
    seen[key] = {one.started_ns, one.deaths};
  }
  known_ = std::move(seen);
  first_ = false;
}

void CrashRate::Forget(std::deque<Death>& deaths) const {
  const auto oldest = clock_() - limit_.window;
  while (!deaths.empty() && deaths.front().when <= oldest) deaths.pop_front();
}

std::string CrashRate::Problem(const std::string& node_id) {
  const auto found = deaths_.find(node_id);
  if (found == deaths_.end() || limit_.crashes == 0) return "";
  Forget(found->second);
  std::map<std::string, uint64_t> by_pod;
  const uint64_t part = (limit_.crashes + limit_.pods - 1) / limit_.pods;
  for (const Death& death : found->second) {
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
