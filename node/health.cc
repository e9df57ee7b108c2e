// Whether a render node can be used now, from what the system tells without touching the GPU.
// SPDX-License-Identifier: Apache-2.0
#include "node/health.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>

#include "common/log.h"
#include "common/unique_fd.h"
#include "node/sysfs_integer.h"

namespace rendercar::node {
namespace {

namespace fs = std::filesystem;

// The hottest sensor that has a critical limit: temperature and limit in thousandths of a degree.
struct Heat {
  int64_t now = 0;
  int64_t limit = 0;
};
std::optional<Heat> HottestOf(const fs::path& hwmon_root) {
  std::optional<Heat> hottest;
  std::error_code error;
  for (fs::directory_iterator hwmon(hwmon_root, error), end; !error && hwmon != end;
       hwmon.increment(error)) {
    for (int i = 1; i <= 8; ++i) {
      const auto now = ReadInteger(hwmon->path() / fmt::format("temp{}_input", i));
      const auto limit = ReadInteger(hwmon->path() / fmt::format("temp{}_crit", i));
      if (!now || !limit || *limit <= 0) continue;
      if (!hottest || *now - *limit > hottest->now - hottest->limit) hottest = Heat{*now, *limit};
    }
  }
  return hottest;
}

}  // namespace

HealthMonitor::HealthMonitor(InventoryRoots roots, WedgeNote wedges, CrashNote crashes)
    : roots_(std::move(roots)),
      note_(std::move(wedges)),
      wedged_(note_.Read()),
      crashes_(std::chrono::steady_clock::now, std::move(crashes)) {}

void HealthMonitor::Check(std::vector<RenderNode>& nodes) {
  std::set<std::string> present;
  for (RenderNode& node : nodes) {
    auto [kind, sentence] = Problem(node);
    if (!node.software) present.insert(node.device_path);
    if (node.problem.empty()) node.SetProblem(kind, std::move(sentence));
  }
  const size_t gone =
      std::erase_if(wedged_, [&](const auto& entry) { return present.count(entry.first) == 0; });
  if (gone != 0) RememberWedges();
}

void HealthMonitor::Wedged(const std::string& device_path, const std::string& recovery) {
  wedged_[device_path] = recovery;
  RememberWedges();
}

void HealthMonitor::Recovered(const std::string& device_path) {
  wedged_.erase(device_path);
  RememberWedges();
}

void HealthMonitor::RememberWedges() const {
  if (const absl::Status status = note_.Write(wedged_); !status.ok()) {
    log::Error("a restart will not know which drivers are wedged",
               {{"why", std::string(status.message())}});
  }
}

std::pair<ProblemKind, std::string> HealthMonitor::Problem(const RenderNode& node) {
  std::string crashes = crashes_.Problem(node.id);
  if (node.software) return {ProblemKind::kCrashes, std::move(crashes)};
  std::array<std::pair<ProblemKind, std::string>, 5> findings{{
      {ProblemKind::kWedged, WedgeProblem(node)},
      {ProblemKind::kBus, BusProblem(node.device_path)},
      {ProblemKind::kOpen, OpenProblem(node)},
      {ProblemKind::kHot, HeatProblem(node, node.device_path)},
      {ProblemKind::kCrashes, std::move(crashes)},
  }};
  for (auto& finding : findings) {
    if (!finding.second.empty()) return std::move(finding);
  }
  return {};
}

std::string HealthMonitor::WedgeProblem(const RenderNode& node) const {
  const auto wedged = wedged_.find(node.device_path);
  if (wedged == wedged_.end()) return "";
  return fmt::format("its driver is wedged and needs {}",
                     wedged->second.empty() ? "help" : wedged->second);
}

// A container's device cgroup may keep the agent from opening what it gives to others; that is no
// statement about the node.
std::string HealthMonitor::OpenProblem(const RenderNode& node) const {
  const std::string path = roots_.dev + "/dri/" + fs::path(node.path).filename().string();
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (fd.valid() || errno == EPERM || errno == EACCES || errno == EROFS) return "";
  return fmt::format("{} cannot be opened: {}", path, std::strerror(errno));
}

// A PCI device that fell off its bus reads as all ones.
std::string HealthMonitor::BusProblem(const std::string& sysfs) const {
  std::ifstream config(sysfs + "/config", std::ios::binary);
  std::array<char, 2> vendor{};
  if (!config.read(vendor.data(), vendor.size())) return "";
  const bool lost = vendor[0] == '\xff' && vendor[1] == '\xff';
  return lost ? "it no longer answers on its PCI bus" : "";
}

std::string HealthMonitor::HeatProblem(const RenderNode& node, const std::string& sysfs) {
  const std::optional<Heat> heat = HottestOf(fs::path(sysfs) / "hwmon");
  bool& hot = hot_[node.id];
  if (!heat) {
    hot = false;
    return "";
  }
  hot = heat->now >= heat->limit - (hot ? kHysteresisMilliCelsius : 0);
  return hot ? fmt::format("it is too hot: {} °C, critical is {} °C", heat->now / 1000,
                           heat->limit / 1000)
             : "";
}

}  // namespace rendercar::node
