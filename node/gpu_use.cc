// What sessions use of a GPU: engine time and memory, as the kernel tells in fdinfo of their
// processes' DRM files.
// SPDX-License-Identifier: Apache-2.0
#include "node/gpu_use.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string_view>
#include <tuple>

namespace rendercar::node {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kProgramPrefix = "rendercar-";
// Files read at one look at the machine, and lines of one process's mappings: pods decide how many
// there are, and what their processes are called.
constexpr size_t kMaxFiles = 20'000;
constexpr size_t kMaxMapLines = 20'000;

// "123", "123 ns", "12 KiB", "3 MiB" in units of one.
std::optional<uint64_t> Amount(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  if (unit.empty() || unit == "ns") return value;
  if (unit == "KiB") return value << 10;
  if (unit == "MiB") return value << 20;
  if (unit == "GiB") return value << 30;
  return std::nullopt;
}

// What of `key` comes after `prefix`; empty when it does not begin so.
std::string After(std::string_view key, std::string_view prefix) {
  return key.substr(0, prefix.size()) == prefix ? std::string(key.substr(prefix.size())) : "";
}

// Newer drivers tell resident memory beside the total, older ones "memory" alone.
struct MemoryWords {
  std::map<std::string, uint64_t> resident, memory;
};

void Take(std::string_view key, std::string_view value, GpuClient& client, MemoryWords& words) {
  if (key == "drm-driver") client.driver = value;
  if (key == "drm-pdev") client.device = value;
  const std::optional<uint64_t> amount = Amount(value);
  if (!amount) return;
  if (key == "drm-client-id") client.id = *amount;
  const std::string engine = After(key, "drm-engine-");
  if (!engine.empty() && After(engine, "capacity-").empty()) client.use.engine_ns[engine] = *amount;
  if (const std::string region = After(key, "drm-resident-"); !region.empty()) {
    words.resident[region] = *amount;
  }
  if (const std::string region = After(key, "drm-memory-"); !region.empty()) {
    words.memory[region] = *amount;
  }
}

std::string ReadAll(const fs::path& file) {
  std::ifstream stream(file);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::vector<GpuClient> ClientsOf(const fs::path& process, size_t& budget) {
  std::vector<GpuClient> clients;
  std::error_code error;
  for (fs::directory_iterator it(process / "fdinfo", error), end; !error && it != end;
       it.increment(error)) {
    if (budget == 0) break;
    --budget;
    if (auto client = ParseFdinfo(ReadAll(it->path()))) clients.push_back(*std::move(client));
  }
  return clients;
}

using Pages = std::map<std::pair<uint64_t, std::string>, const SessionStats*>;

// The session whose page the process has mapped; nullptr for none.
// A line: "7f00-7f02 rw-s 00000000 fe:01 123   /var/run/rendercar/shares/x-0/vm.stats".
const SessionStats* SessionOf(const fs::path& process, const Pages& pages) {
  std::ifstream maps(process / "maps");
  std::string line;
  for (size_t i = 0; i < kMaxMapLines && std::getline(maps, line); ++i) {
    if (line.find(kPageSuffix) == std::string::npos) continue;
    std::istringstream words(line);
    std::string range, mode, offset, device, path;
    uint64_t inode = 0;
    if (!(words >> range >> mode >> offset >> device >> inode >> path)) continue;
    const auto found = pages.find({inode, fs::path(path).filename().string()});
    if (found != pages.end()) return found->second;
  }
  return nullptr;
}

// From "/proc/PID/stat": "PID (name) state parent ...".
std::string ParentOf(const fs::path& process) {
  const std::string stat = ReadAll(process / "stat");
  const size_t after_name = stat.rfind(')');
  if (after_name == std::string::npos) return "";
  std::istringstream words(stat.substr(after_name + 1));
  std::string state, parent;
  words >> state >> parent;
  return parent;
}

bool IsOurs(const fs::path& process) {
  const std::string name = process.filename().string();
  return name.find_first_not_of("0123456789") == std::string::npos &&
         !After(ReadAll(process / "comm"), kProgramPrefix).empty();
}

void Add(const std::map<std::string, uint64_t>& from, std::map<std::string, uint64_t>& to) {
  for (const auto& [name, amount] : from) to[name] += amount;
}

}  // namespace

std::optional<GpuClient> ParseFdinfo(const std::string& text) {
  GpuClient client;
  MemoryWords words;
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos || After(line, "drm-").empty()) continue;
    const size_t value = line.find_first_not_of(" \t", colon + 1);
    if (value == std::string::npos) continue;
    Take(std::string_view(line).substr(0, colon), std::string_view(line).substr(value), client,
         words);
  }
  if (client.driver.empty()) return std::nullopt;
  client.use.memory_bytes = words.resident.empty() ? words.memory : words.resident;
  return client;
}

GpuUses GatherGpuUse(const std::string& proc, const std::vector<SessionStats>& sessions) {
  Pages pages;
  for (const SessionStats& one : sessions) {
    pages[{one.inode, one.session + kPageSuffix}] = &one;
  }
  GpuUses uses;
  std::set<std::tuple<std::string, std::string, uint64_t>> counted;
  std::error_code error;
  size_t budget = kMaxFiles;
  for (fs::directory_iterator it(proc, error), end; !pages.empty() && !error && it != end;
       it.increment(error)) {
    if (!IsOurs(it->path())) continue;
    const std::vector<GpuClient> clients = ClientsOf(it->path(), budget);
    if (clients.empty()) continue;
    const SessionStats* session = SessionOf(it->path(), pages);
    if (session == nullptr) session = SessionOf(fs::path(proc) / ParentOf(it->path()), pages);
    if (session == nullptr) continue;
    GpuUse& use = uses[{session->share, session->session}];
    for (const GpuClient& client : clients) {
      if (!counted.insert({client.driver, client.device, client.id}).second) continue;
      Add(client.use.engine_ns, use.engine_ns);
      Add(client.use.memory_bytes, use.memory_bytes);
    }
  }
  return uses;
}

}  // namespace rendercar::node
