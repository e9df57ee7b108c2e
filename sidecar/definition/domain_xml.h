// A libvirt domain that gets a session's GPU: XML in, XML out. Elements, attributes, namespaces and
// comments that this code does not know stay as they are, and a second pass changes nothing.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/status.h"
#include "sidecar/definition/description.h"

namespace rendercar::sidecar {

// Of <qemu:commandline>.
inline constexpr char kQemuXmlNamespace[] = "http://libvirt.org/schemas/domain/qemu/1.0";

// How the domain is told of the device.
enum class DomainStyle {
  kQemuCommandline,  // <qemu:commandline>: a chardev on our socket and the device (KubeVirt)
  kManagedVideo,     // <video>: libvirt finds the backend by its JSON and spawns it
  kShimVideo,        // <video>: libvirt spawns the shim; the render node is the sidecar's affair
};

// `xml` comes from virt-launcher or a person: InvalidArgument when it is no domain,
// FailedPrecondition in words when this VM cannot have the GPU as described (display primary beside
// VNC, a machine without PCI).
absl::StatusOr<std::string> AddGpuToDomain(const std::string& xml,
                                           const DeviceDescription& description, DomainStyle style);

// A domain with nothing but what AddGpuToDomain adds, indented: for people to copy from.
std::string DomainFragment(const DeviceDescription& description, DomainStyle style);

}  // namespace rendercar::sidecar
