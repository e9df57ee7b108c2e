// What a process and its descendants use, read from /proc: CPU time, memory, descriptors, mappings,
// wake-ups.
// SPDX-License-Identifier: Apache-2.0
#include "tests/frontend/process_usage.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace rendercar::frontend {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> Entries(const fs::path& directory) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(it->path());
  }
  return entries;
}

// The number after "Key:" in a /proc status file.
uint64_t StatusNumber(const fs::path& file, const std::string& key) {
  std::ifstream in(file);
  std::string line;
  while (std::getline(in, line)) {
    if (line.compare(0, key.size(), key) == 0) {
      return std::stoull("0" + line.substr(line.find_first_of("0123456789")));
    }
  }
  return 0;
}

// schedstat's first number: nanoseconds on a CPU.
double RunSeconds(const fs::path& task) {
  std::ifstream in(task / "schedstat");
  uint64_t nanoseconds = 0;
  in >> nanoseconds;
  return static_cast<double>(nanoseconds) / 1e9;
}

void AddTree(pid_t pid, std::vector<pid_t>* tree) {
  tree->push_back(pid);
  for (const fs::path& task : Entries(fs::path("/proc") / std::to_string(pid) / "task")) {
    std::ifstream in(task / "children");
    pid_t child = 0;
    while (in >> child) AddTree(child, tree);
  }
}

}  // namespace

std::vector<pid_t> ProcessTree(pid_t pid) {
  std::vector<pid_t> tree;
  AddTree(pid, &tree);
  return tree;
}

pid_t RendererBelow(pid_t pid) {
  for (const pid_t one : ProcessTree(pid)) {
    std::ifstream file("/proc/" + std::to_string(one) + "/comm");
    std::string name;
    if (std::getline(file, name) && name == "rendercar-rende") return one;  // 15 bytes of it
  }
  return 0;
}

ProcessUsage UsageOf(pid_t pid) {
  const fs::path proc = fs::path("/proc") / std::to_string(pid);
  ProcessUsage usage;
  for (const fs::path& task : Entries(proc / "task")) {
    usage.cpu_seconds += RunSeconds(task);
    usage.wakeups += StatusNumber(task / "status", "voluntary_ctxt_switches:");
  }
  usage.rss_bytes =
      (StatusNumber(proc / "status", "RssAnon:") + StatusNumber(proc / "status", "RssFile:")) *
      1024;
  usage.shmem_bytes = StatusNumber(proc / "status", "RssShmem:") * 1024;
  usage.descriptors = Entries(proc / "fd").size();
  std::ifstream maps(proc / "maps");
  std::string line;
  while (std::getline(maps, line)) ++usage.mappings;
  return usage;
}

uint64_t ResidentBytesExcept(pid_t pid, const std::string& except) {
  std::ifstream in(fs::path("/proc") / std::to_string(pid) / "smaps");
  std::string line;
  uint64_t kib = 0;
  bool counts = true;
  while (std::getline(in, line)) {
    const bool is_header = line.find('-') < line.find(' ');
    if (is_header) counts = line.find(except) == std::string::npos;
    if (!counts || line.compare(0, 4, "Rss:") != 0) continue;
    kib += std::stoull(line.substr(line.find_first_of("0123456789")));
  }
  return kib * 1024;
}

ProcessUsage UsageOfTree(pid_t pid) {
  ProcessUsage sum;
  for (const pid_t one : ProcessTree(pid)) {
    const ProcessUsage usage = UsageOf(one);
    sum.cpu_seconds += usage.cpu_seconds;
    sum.rss_bytes += usage.rss_bytes;
    sum.shmem_bytes += usage.shmem_bytes;
    sum.descriptors += usage.descriptors;
    sum.mappings += usage.mappings;
    sum.wakeups += usage.wakeups;
  }
  return sum;
}

}  // namespace rendercar::frontend
