// The statistics of all sessions on this node, read from what pods wrote.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
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
  uint64_t inode = 0;  // of the page's file
};

// Pages in session directories are written by pods, and hostile: only plain files named
// "<session>.stats" count, only numbers are taken, and no more than these are looked at.
inline constexpr char kPageSuffix[] = ".stats";
inline constexpr size_t kMaxSessionsPerShare = 8;
inline constexpr size_t kMaxEntriesPerDirectory = 256;
inline constexpr size_t kMaxSessionNameBytes = 63;

// Whether a session may be called so: names are labels, so their alphabet is small.
bool IsSessionName(const std::string& name);

// Shares that no pod has (`users` known and without them) are left out: their pages are of the
// dead.
std::vector<SessionStats> GatherSessions(const std::string& session_root, const ShareUsers* users);

}  // namespace rendercar::node
