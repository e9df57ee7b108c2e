// The device definition for plain QEMU: its command-line arguments.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "sidecar/definition/description.h"

namespace rendercar::sidecar {

// Arguments for qemu-system-*: shared guest memory, the socket and the device. -machine is named
// with memory-backend only, so that it adds to a -machine that is there already.
std::vector<std::string> QemuArgs(const DeviceDescription& description);

// The two arguments' values that also stand in libvirt's <qemu:commandline>, and the ids in them,
// by which they are found again.
std::string QemuChardevId(const DeviceDescription& description);
std::string QemuDeviceId(const DeviceDescription& description);
std::string QemuChardev(const DeviceDescription& description);
std::string QemuDevice(const DeviceDescription& description);

// Arguments as one line that a POSIX shell splits into just these.
std::string ShellQuoted(const std::vector<std::string>& arguments);

}  // namespace rendercar::sidecar
