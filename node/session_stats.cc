// The statistics of all sessions on this node, read from what pods wrote.
// SPDX-License-Identifier: Apache-2.0
#include "node/session_stats.h"

#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <utility>

#include "node/session_dirs.h"

namespace rendercar::node {
namespace {

namespace fs = std::filesystem;

// The session's name when `file` is called like a page.
std::optional<std::string> SessionName(const std::string& file) {
  constexpr size_t kSuffixBytes = sizeof(kPageSuffix) - 1;
  if (file.size() <= kSuffixBytes ||
      file.compare(file.size() - kSuffixBytes, kSuffixBytes, kPageSuffix) != 0) {
    return std::nullopt;
  }
  std::string name = file.substr(0, file.size() - kSuffixBytes);
  return IsSessionName(name) ? std::optional(std::move(name)) : std::nullopt;
}

void GatherDirectory(const SessionDirs::Current& current, const ShareUser& user,
                     std::vector<SessionStats>& out) {
  std::error_code error;
  size_t entries = 0;
  size_t sessions = 0;
  for (fs::directory_iterator it(current.directory, error), end; !error && it != end;
       it.increment(error)) {
    if (++entries > kMaxEntriesPerDirectory || sessions >= kMaxSessionsPerShare) return;
    const auto name = SessionName(it->path().filename().string());
    if (!name) continue;
    const auto stats = ReadStats(it->path().string());
    if (!stats.ok()) continue;
    ++sessions;
    struct stat info {};
    ::lstat(it->path().c_str(), &info);
    out.push_back({*name, current.share_id, user, *stats, info.st_ino});
  }
}

}  // namespace

std::vector<SessionStats> GatherSessions(const std::string& session_root, const ShareUsers* users) {
  std::vector<SessionStats> sessions;
  for (const SessionDirs::Current& current : SessionDirs({.root = session_root}).List()) {
    ShareUser user;
    if (users != nullptr) {
      const auto found = users->find(current.share_id);
      if (found == users->end()) continue;
      user = found->second;
    }
    GatherDirectory(current, user, sessions);
  }
  return sessions;
}

bool IsSessionName(const std::string& name) {
  return !name.empty() && name.size() <= kMaxSessionNameBytes &&
         name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
             std::string::npos;
}

}  // namespace rendercar::node
