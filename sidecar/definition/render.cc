// Every device definition, rendered from the one description.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/definition/render.h"

#include "sidecar/definition/qemu_args.h"
#include "sidecar/definition/vhost_user_json.h"

namespace rendercar::sidecar {

std::string ToString(DefinitionFormat format) {
  switch (format) {
    case DefinitionFormat::kQemuArgs:
      return "qemu-args";
    case DefinitionFormat::kLibvirtManaged:
      return "libvirt-managed";
    case DefinitionFormat::kLibvirtShim:
      return "libvirt-shim";
    case DefinitionFormat::kKubevirt:
      return "kubevirt";
    case DefinitionFormat::kVhostUserJson:
      return "vhost-user-json";
  }
  return "unknown";
}

std::optional<DefinitionFormat> ParseFormat(const std::string& text) {
  for (const DefinitionFormat format : kAllFormats) {
    if (ToString(format) == text) return format;
  }
  return std::nullopt;
}

std::optional<DomainStyle> StyleOf(DefinitionFormat format) {
  switch (format) {
    case DefinitionFormat::kLibvirtManaged:
      return DomainStyle::kManagedVideo;
    case DefinitionFormat::kLibvirtShim:
      return DomainStyle::kShimVideo;
    case DefinitionFormat::kKubevirt:
      return DomainStyle::kQemuCommandline;
    case DefinitionFormat::kQemuArgs:
    case DefinitionFormat::kVhostUserJson:
      return std::nullopt;
  }
  return std::nullopt;
}

Definition Render(const DeviceDescription& description, DefinitionFormat format) {
  if (const auto style = StyleOf(format)) return {DomainFragment(description, *style), {}};
  if (format == DefinitionFormat::kVhostUserJson)
    return {VhostUserJson(OurBackend(description.backend_path)), {}};
  std::vector<std::string> arguments = QemuArgs(description);
  return {ShellQuoted(arguments), arguments};
}

}  // namespace rendercar::sidecar
