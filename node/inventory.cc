// Finds the render nodes of this machine in sysfs and by libdrm.
// SPDX-License-Identifier: Apache-2.0
#include "node/inventory.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <set>

#include "common/share_env.h"
#include "node/drm_devices.h"
#include "node/sysfs_integer.h"

namespace rendercar::node {
namespace {

namespace fs = std::filesystem;

// Longest part of an id that comes from a device's name; leaves room for a share's number in the
// kubelet's 63 characters.
constexpr size_t kMaxNameBytes = 40;

std::string LinkName(const fs::path& link) {
  std::error_code error;
  const fs::path target = fs::read_symlink(link, error);
  return error ? std::string() : target.filename().string();
}

// Letters, digits, '.' and '-' only, in lower case.
std::string Sanitise(const std::string& text) {
  std::string out;
  for (const char c : text.substr(0, kMaxNameBytes)) {
    const auto u = static_cast<unsigned char>(c);
    out += std::isalnum(u) != 0 || c == '.' ? static_cast<char>(std::tolower(u)) : '-';
  }
  return out;
}

// The PCI function that `device` is or hangs below (virtio-gpu's device is a virtio one).
std::optional<fs::path> PciAncestor(fs::path device, const fs::path& sysfs) {
  for (; device != sysfs && device.has_relative_path(); device = device.parent_path()) {
    if (LinkName(device / "subsystem") == "pci") return device;
  }
  return std::nullopt;
}

std::string DriverName(const fs::path& device) {
  std::string driver = LinkName(device / "driver");
  return driver.empty() ? device.filename().string() : driver;
}

std::string DeviceFileProblem(const InventoryRoots& roots, const std::string& name) {
  const std::string path = roots.dev + "/dri/" + name;
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) return "";
  return fmt::format("its device file {} cannot be seen: {}", path, std::strerror(errno));
}

RenderNode Describe(const InventoryRoots& roots, const fs::path& sysfs, const fs::path& entry,
                    const fs::path& device) {
  RenderNode node;
  const std::string name = entry.filename().string();
  node.path = "/dev/dri/" + name;
  node.device_path = device.string();
  node.driver = DriverName(device);
  node.video_memory_bytes = ReadIntegerOr<uint64_t>(device / "mem_info_vram_total", 0);
  node.numa_node = ReadIntegerOr<int>(device / "numa_node", -1);
  if (const auto pci = PciAncestor(device, sysfs)) {
    node.pci_address = pci->filename().string();
    node.pci_vendor = ReadIntegerOr<uint16_t>(*pci / "vendor", 0);
    node.pci_device = ReadIntegerOr<uint16_t>(*pci / "device", 0);
    node.numa_node = ReadIntegerOr<int>(*pci / "numa_node", -1);
    node.id = Sanitise(node.pci_address);
  } else {
    const std::string bus = LinkName(device / "subsystem");
    node.id = fmt::format("{}-{}", bus.empty() ? "device" : Sanitise(bus).substr(0, 12),
                          Sanitise(device.filename().string()));
  }
  node.SetProblem(ProblemKind::kMissing, DeviceFileProblem(roots, name));
  return node;
}

// Two nodes of one device (none known today) still get ids that differ.
void MakeIdsUnique(std::vector<RenderNode>& nodes) {
  std::set<std::string> seen;
  for (RenderNode& node : nodes) {
    const std::string base = node.id;
    for (int i = 1; !seen.insert(node.id).second; ++i) node.id = fmt::format("{}.{}", base, i);
  }
}

}  // namespace

RenderNode SoftwareRenderNode() {
  RenderNode node;
  node.id = share_env::kSoftwareNode;
  node.path = share_env::kSoftwareNode;
  node.driver = "llvmpipe";
  node.software = true;
  return node;
}

absl::StatusOr<std::vector<RenderNode>> ScanRenderNodes(const InventoryRoots& roots) {
  std::error_code error;
  const fs::path drm = fs::path(roots.sysfs) / "class" / "drm";
  std::vector<RenderNode> nodes;
  if (!fs::exists(drm, error) && !error) return nodes;
  fs::directory_iterator entries(drm, error);
  if (error) {
    return ErrnoStatus(error.value(),
                       fmt::format("cannot list render nodes in '{}'", drm.string()));
  }
  const fs::path sysfs = fs::canonical(roots.sysfs, error);
  for (const fs::directory_entry& entry : entries) {
    if (entry.path().filename().string().rfind("renderD", 0) != 0) continue;
    const fs::path device = fs::canonical(entry.path() / "device", error);
    if (error) continue;  // unplugged between the listing and now
    nodes.push_back(Describe(roots, sysfs, entry.path(), device));
  }
  // libdrm looks at the machine itself, not at a test's tree.
  if (roots.sysfs == InventoryRoots().sysfs && roots.dev == InventoryRoots().dev)
    AddDrmDevices(ListDrmDevices(), nodes);
  std::sort(nodes.begin(), nodes.end(), [](const RenderNode& a, const RenderNode& b) {
    return std::tie(a.id, a.path) < std::tie(b.id, b.path);
  });
  MakeIdsUnique(nodes);
  return nodes;
}

}  // namespace rendercar::node
