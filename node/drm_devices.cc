// What libdrm knows of this machine's render nodes.
// SPDX-License-Identifier: Apache-2.0
#include "node/drm_devices.h"

#include <fmt/format.h>
#include <xf86drm.h>

#include <algorithm>
#include <array>

namespace rendercar::node {
namespace {

constexpr int kMaxDevices = 256;

DrmDevice FromLibdrm(const drmDevice& device) {
  DrmDevice out;
  out.path = device.nodes[DRM_NODE_RENDER];
  if (device.bustype != DRM_BUS_PCI) return out;
  const drmPciBusInfo& bus = *device.businfo.pci;
  out.pci_address =
      fmt::format("{:04x}:{:02x}:{:02x}.{:x}", bus.domain, bus.bus, bus.dev, bus.func);
  out.pci_vendor = device.deviceinfo.pci->vendor_id;
  out.pci_device = device.deviceinfo.pci->device_id;
  return out;
}

RenderNode ToNode(const DrmDevice& device) {
  RenderNode node;
  node.path = device.path;
  node.pci_address = device.pci_address;
  node.pci_vendor = device.pci_vendor;
  node.pci_device = device.pci_device;
  node.id = device.pci_address.empty() ? device.path.substr(device.path.rfind('/') + 1)
                                       : device.pci_address;
  std::replace(node.id.begin(), node.id.end(), ':', '-');
  return node;
}

}  // namespace

std::vector<DrmDevice> ListDrmDevices() {
  std::array<drmDevicePtr, kMaxDevices> devices{};
  // No flags: the PCI revision, which alone would wake a sleeping device, is not asked for.
  const int count = drmGetDevices2(0, devices.data(), kMaxDevices);
  std::vector<DrmDevice> found;
  for (int i = 0; i < std::min(count, kMaxDevices); ++i) {
    const drmDevice& device = *devices[static_cast<size_t>(i)];
    if ((device.available_nodes & 1 << DRM_NODE_RENDER) != 0) found.push_back(FromLibdrm(device));
  }
  if (count > 0) drmFreeDevices(devices.data(), std::min(count, kMaxDevices));
  return found;
}

void AddDrmDevices(const std::vector<DrmDevice>& devices, std::vector<RenderNode>& nodes) {
  for (const DrmDevice& device : devices) {
    const auto same = std::find_if(nodes.begin(), nodes.end(), [&device](const RenderNode& node) {
      return node.path == device.path;
    });
    if (same == nodes.end()) {
      nodes.push_back(ToNode(device));
    } else if (same->pci_address.empty() && !device.pci_address.empty()) {
      same->pci_address = device.pci_address;
      same->pci_vendor = device.pci_vendor;
      same->pci_device = device.pci_device;
    }
  }
}

}  // namespace rendercar::node
