// What libdrm knows of this machine's render nodes: the inventory's second source beside sysfs.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "node/render_node.h"

namespace rendercar::node {

struct DrmDevice {
  std::string path;         // "/dev/dri/renderD128"
  std::string pci_address;  // "0000:03:00.0"; empty when it is on no PCI bus
  uint16_t pci_vendor = 0;
  uint16_t pci_device = 0;
};

// The devices with a render node, by libdrm; no device is opened or woken.
std::vector<DrmDevice> ListDrmDevices();

// Adds to `nodes` (from sysfs) what only libdrm found, and to those without a PCI address the one
// that libdrm tells. Ids of added nodes come from the PCI address, else from the path's name.
void AddDrmDevices(const std::vector<DrmDevice>& devices, std::vector<RenderNode>& nodes);

}  // namespace rendercar::node
