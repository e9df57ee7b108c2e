// CPU and memory of the cgroup that this process is in, cgroup v1 and v2.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/metrics/container_usage.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <fstream>
#include <vector>

namespace rendercar::sidecar {
namespace {

// v1 writes "no limit" as a number near 2^63.
constexpr uint64_t kNoLimit = uint64_t{1} << 62;

std::optional<uint64_t> ReadNumber(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  uint64_t number = 0;
  if (!(file >> text) || !absl::SimpleAtoi(text, &number)) return std::nullopt;
  return number;
}

// The path of this process in the hierarchy of `controller` ("" for v2), from lines "ID:LIST:PATH".
std::optional<std::string> OwnPath(const std::string& self, const std::string& controller) {
  std::ifstream file(self);
  std::string line;
  while (std::getline(file, line)) {
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    for (const auto& name : absl::StrSplit(parts[1], ',')) {
      if (std::string(name) == controller) return parts[2] == "/" ? "" : parts[2];
    }
  }
  return std::nullopt;
}

// The number in `file` of this process's own cgroup; of the mount's top where a container sees only
// its own part.
std::optional<uint64_t> ReadOwn(const std::string& mount, const std::optional<std::string>& own,
                                const std::string& file) {
  if (!own) return std::nullopt;
  if (const auto number = ReadNumber(absl::StrCat(mount, *own, "/", file))) return number;
  return ReadNumber(absl::StrCat(mount, "/", file));
}

std::optional<double> ReadCpuStat(const std::string& path) {
  std::ifstream file(path);
  std::string key;
  uint64_t value = 0;
  while (file >> key >> value) {
    if (key == "usage_usec") return static_cast<double>(value) / 1e6;
  }
  return std::nullopt;
}

// Lines "some avg10=0.00 avg60=0.00 avg300=0.00 total=MICROSECONDS".
void ReadPressure(const std::string& path, const std::string& resource, ContainerUsage& usage) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    uint64_t us = 0;
    if (words.size() != 5 || (words[0] != "some" && words[0] != "full") ||
        words[4].rfind("total=", 0) != 0 || !absl::SimpleAtoi(words[4].substr(6), &us))
      continue;
    usage.pressure.push_back({resource, words[0], static_cast<double>(us) / 1e6});
  }
}

bool Has(const ContainerUsage& usage, const std::string& resource) {
  return std::any_of(usage.pressure.begin(), usage.pressure.end(),
                     [&](const auto& each) { return each.resource == resource; });
}

ContainerUsage ReadV2(const std::string& mount, const std::optional<std::string>& own) {
  ContainerUsage usage;
  if (!own) return usage;
  usage.memory_bytes = ReadOwn(mount, own, "memory.current");
  usage.memory_limit_bytes = ReadOwn(mount, own, "memory.max");  // "max" is no number
  usage.cpu_seconds = ReadCpuStat(absl::StrCat(mount, *own, "/cpu.stat"));
  if (!usage.cpu_seconds) usage.cpu_seconds = ReadCpuStat(absl::StrCat(mount, "/cpu.stat"));
  for (const char* resource : {"cpu", "memory", "io"}) {
    const std::string file = absl::StrCat("/", resource, ".pressure");
    ReadPressure(absl::StrCat(mount, *own, file), resource, usage);
    if (own->empty() || Has(usage, resource)) continue;
    ReadPressure(absl::StrCat(mount, file), resource, usage);
  }
  return usage;
}

ContainerUsage ReadV1(const std::string& root, const std::string& self) {
  ContainerUsage usage;
  const auto memory = OwnPath(self, "memory");
  const std::string memory_mount = absl::StrCat(root, "/memory");
  usage.memory_bytes = ReadOwn(memory_mount, memory, "memory.usage_in_bytes");
  usage.memory_limit_bytes = ReadOwn(memory_mount, memory, "memory.limit_in_bytes");
  const auto ns =
      ReadOwn(absl::StrCat(root, "/cpuacct"), OwnPath(self, "cpuacct"), "cpuacct.usage");
  if (ns) usage.cpu_seconds = static_cast<double>(*ns) / 1e9;
  return usage;
}

}  // namespace

ContainerUsage ReadContainerUsage(const std::string& root, const std::string& self) {
  ContainerUsage usage = ReadV2(root, OwnPath(self, ""));
  if (!usage.memory_bytes) usage = ReadV1(root, self);
  if (usage.memory_limit_bytes && *usage.memory_limit_bytes >= kNoLimit)
    usage.memory_limit_bytes.reset();
  return usage;
}

}  // namespace rendercar::sidecar
