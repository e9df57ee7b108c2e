// The device definition for plain QEMU: its command-line arguments.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/status.h"
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
// The device in QEMU's JSON syntax, for <qemu:commandline>: QEMU realizes JSON devices after all
// others and in their order, so that ours takes a PCI slot that libvirt's devices have left. In the
// older syntax it would come first and take one of theirs.
std::string QemuDeviceJson(const DeviceDescription& description);
// A -chardev, -device or -object value taken apart: "kind,key=value,..." with ",," for a comma, or
// JSON. The kind (driver) stands under "".
std::map<std::string, std::string> QemuOptions(const std::string& value);
// The id in a -chardev or -device value of either syntax; empty when there is none.
std::string QemuOptionId(const std::string& value);

// Arguments as one line that a POSIX shell splits into just these.
std::string ShellQuoted(const std::vector<std::string>& arguments);
// The words of such a line: quotes and backslashes, nothing that a shell would expand.
// InvalidArgument when a quote is not closed.
absl::StatusOr<std::vector<std::string>> ShellWords(const std::string& line);

}  // namespace rendercar::sidecar
