// Every device definition, rendered from the one description.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sidecar/definition/description.h"
#include "sidecar/definition/domain_xml.h"

namespace rendercar::sidecar {

enum class DefinitionFormat {
  kQemuArgs,
  kLibvirtManaged,
  kLibvirtShim,
  kKubevirt,
  kVhostUserJson,
};

inline constexpr DefinitionFormat kAllFormats[] = {
    DefinitionFormat::kQemuArgs, DefinitionFormat::kLibvirtManaged, DefinitionFormat::kLibvirtShim,
    DefinitionFormat::kKubevirt, DefinitionFormat::kVhostUserJson};

// "qemu-args", "libvirt-managed", ...
std::string ToString(DefinitionFormat format);
// nullopt when there is no such format.
std::optional<DefinitionFormat> ParseFormat(const std::string& text);

// How a domain is told of the device in that format; nullopt for formats that are no domain XML.
std::optional<DomainStyle> StyleOf(DefinitionFormat format);

struct Definition {
  std::string text;
  std::vector<std::string> arguments;  // for kQemuArgs only
};
Definition Render(const DeviceDescription& description, DefinitionFormat format);

}  // namespace rendercar::sidecar
