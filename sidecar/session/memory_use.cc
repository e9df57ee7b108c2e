// How near the container is to its memory limit, and the renderers that one can end to stay below.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/session/memory_use.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>

#include "common/unique_fd.h"

namespace rendercar::sidecar {
namespace {

constexpr uint64_t kNoLimit = uint64_t{1} << 62;     // v1 writes "none" as a number near 2^63
constexpr char kRendererName[] = "rendercar-rende";  // a task's name has 15 bytes

// The directory of this process in the hierarchy of `controller` ("" for v2); the mount's top where
// a container sees only its own part.
std::optional<std::string> OwnDirectory(const std::string& mount, const std::string& self,
                                        const std::string& controller, const std::string& file) {
  std::ifstream lines(self);
  std::string line;
  while (std::getline(lines, line)) {
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    const std::vector<std::string> names = absl::StrSplit(parts[1], ',');
    if (std::find(names.begin(), names.end(), controller) == names.end()) continue;
    std::error_code error;
    for (const std::string& directory : {absl::StrCat(mount, parts[2]), mount}) {
      if (std::filesystem::exists(absl::StrCat(directory, "/", file), error)) return directory;
    }
  }
  return std::nullopt;
}

uint64_t ReadNumber(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  uint64_t number = 0;
  return (file >> text) && absl::SimpleAtoi(text, &number) ? number : kNoLimit;
}

// The sum of `keys` in a file of lines "KEY VALUE".
uint64_t SumOf(const std::string& path, const std::vector<std::string>& keys) {
  std::ifstream file(path);
  std::string key;
  uint64_t value = 0;
  uint64_t sum = 0;
  while (file >> key >> value) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) sum += value;
  }
  return sum;
}

struct Task {
  std::string name;
  pid_t parent = 0;
  bool ended = false;  // and not reaped yet
  uint64_t memory_kib = 0;
};

Task ReadTask(const std::string& status_path) {
  std::ifstream file(status_path);
  std::string line;
  Task task;
  while (std::getline(file, line)) {
    const std::vector<std::string> parts =
        absl::StrSplit(line, absl::ByAnyChar(": \t"), absl::SkipEmpty());
    if (parts.size() < 2) continue;
    uint64_t number = 0;
    if (parts[0] == "Name") task.name = parts[1];
    if (parts[0] == "State") task.ended = parts[1] == "Z";
    if (!absl::SimpleAtoi(parts[1], &number)) continue;
    if (parts[0] == "PPid") task.parent = static_cast<pid_t>(number);
    if (parts[0] == "RssAnon" || parts[0] == "RssShmem") task.memory_kib += number;
  }
  return task;
}

}  // namespace

std::optional<MemoryUse> ReadMemoryUse(const std::string& root, const std::string& self) {
  MemoryUse use;
  if (const auto v2 = OwnDirectory(root, self, "", "memory.max")) {
    use.limit_bytes = ReadNumber(*v2 + "/memory.max");
    use.used_bytes = SumOf(*v2 + "/memory.stat", {"anon", "shmem"});
  } else if (const auto v1 =
                 OwnDirectory(root + "/memory", self, "memory", "memory.limit_in_bytes")) {
    use.limit_bytes = ReadNumber(*v1 + "/memory.limit_in_bytes");
    use.used_bytes = SumOf(*v1 + "/memory.stat", {"total_rss", "total_shmem"});
  }
  if (use.limit_bytes == 0 || use.limit_bytes >= kNoLimit) return std::nullopt;
  return use;
}

std::vector<RendererProcess> FindRenderers(pid_t backend, const std::string& proc) {
  std::map<pid_t, Task> tasks;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(proc, error)) {
    pid_t pid = 0;
    if (absl::SimpleAtoi(entry.path().filename().string(), &pid))
      tasks[pid] = ReadTask(entry.path().string() + "/status");
  }
  std::vector<RendererProcess> found;
  for (const auto& [pid, task] : tasks) {
    if (task.name != kRendererName || task.ended) continue;
    // A renderer's parent is the device process, or a process between them.
    const auto parent = tasks.find(task.parent);
    const bool below =
        task.parent == backend || (parent != tasks.end() && parent->second.parent == backend);
    if (below) found.push_back({pid, task.memory_kib * 1024});
  }
  return found;
}

bool KillRenderer(pid_t pid) {
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd.valid()) return false;
  // Looked at after the descriptor is held: this number is this process now.
  if (ReadTask(absl::StrCat("/proc/", pid, "/status")).name != kRendererName) return false;
  return ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0) == 0;
}

}  // namespace rendercar::sidecar
