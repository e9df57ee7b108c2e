// A libvirt domain that gets a session's GPU: XML in, XML out.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/definition/domain_xml.h"

#include <pugixml.hpp>
#include <sstream>
#include <vector>

#include "common/share_env.h"
#include "sidecar/definition/qemu_args.h"
#include "sidecar/definition/xml_namespace.h"

namespace rendercar::sidecar {
namespace {

constexpr size_t kMaxXmlBytes = 4 << 20;
// Everything that a document may hold is kept; white space too, so that the rest stays as it was.
constexpr unsigned kParseAll = pugi::parse_full | pugi::parse_ws_pcdata;

pugi::xml_node Child(pugi::xml_node parent, const char* name) {
  const pugi::xml_node found = FindChild(parent, "", name);
  return found ? found : parent.append_child(name);
}

void Set(pugi::xml_node node, const char* name, const std::string& value) {
  pugi::xml_attribute attribute = node.attribute(name);
  if (!attribute) attribute = node.append_attribute(name);
  attribute.set_value(value.c_str());
}

// vhost-user needs memory that another process can map: memfd (or a file, which is left), shared.
void ShareMemory(pugi::xml_node domain) {
  const pugi::xml_node backing = Child(domain, "memoryBacking");
  const pugi::xml_node source = Child(backing, "source");
  if (std::string(source.attribute("type").value()) != "file") Set(source, "type", "memfd");
  Set(Child(backing, "access"), "mode", "shared");
  // A cell's own memAccess would win over memoryBacking.
  const pugi::xml_node numa = FindChild(FindChild(domain, "", "cpu"), "", "numa");
  for (pugi::xml_node cell : numa.children("cell")) {
    if (cell.attribute("memAccess")) Set(cell, "memAccess", "shared");
  }
}

std::vector<pugi::xml_node> Arguments(pugi::xml_node commandline) {
  std::vector<pugi::xml_node> arguments;
  for (const pugi::xml_node child : commandline.children()) {
    if (child.type() == pugi::node_element && LocalName(child) == "arg" &&
        NamespaceOf(child) == kQemuXmlNamespace)
      arguments.push_back(child);
  }
  return arguments;
}

// Makes "OPTION VALUE" stand in the command line just once; our own one is known by its id.
void SetArgument(pugi::xml_node commandline, const std::string& name, const std::string& option,
                 const std::string& id, const std::string& value) {
  bool found = false;
  const std::vector<pugi::xml_node> arguments = Arguments(commandline);
  for (size_t i = 0; i + 1 < arguments.size(); ++i) {
    if (arguments[i].attribute("value").value() != option ||
        QemuOptionId(arguments[i + 1].attribute("value").value()) != id)
      continue;
    if (found) {
      commandline.remove_child(arguments[i]);
      commandline.remove_child(arguments[i + 1]);
    } else {
      Set(arguments[i + 1], "value", value);
    }
    found = true;
    ++i;
  }
  if (found) return;
  Set(commandline.append_child(name.c_str()), "value", option);
  Set(commandline.append_child(name.c_str()), "value", value);
}

void AddCommandline(pugi::xml_node domain, const DeviceDescription& description) {
  pugi::xml_node commandline = FindChild(domain, kQemuXmlNamespace, "commandline");
  if (!commandline) {
    commandline = domain.append_child(
        QualifiedName(domain, kQemuXmlNamespace, "qemu", "commandline").c_str());
  }
  const std::string arg = QualifiedName(domain, kQemuXmlNamespace, "qemu", "arg");
  SetArgument(commandline, arg, "-chardev", QemuChardevId(description), QemuChardev(description));
  SetArgument(commandline, arg, "-device", QemuDeviceId(description), QemuDeviceJson(description));
}

void RemoveVideos(pugi::xml_node devices) {
  while (const pugi::xml_node video = FindChild(devices, "", "video")) devices.remove_child(video);
}

// Ours is the only adapter: libvirt must add none of its own.
void RemoveOtherAdapters(pugi::xml_node domain) {
  pugi::xml_node devices = Child(domain, "devices");
  RemoveVideos(devices);
  Set(devices.append_child("video").append_child("model"), "type", "none");
}

pugi::xml_node OurVideo(pugi::xml_node devices) {
  for (const pugi::xml_node video : devices.children("video")) {
    if (std::string(video.child("driver").attribute("name").value()) == "vhostuser") return video;
  }
  return {};
}

void AddVideo(pugi::xml_node domain, const DeviceDescription& description, bool shim) {
  pugi::xml_node devices = Child(domain, "devices");
  const bool primary = description.display_mode == DisplayMode::kPrimary;
  pugi::xml_node video = OurVideo(devices);
  if (primary && !video) RemoveVideos(devices);
  if (!video) video = devices.append_child("video");
  Set(Child(video, "driver"), "name", "vhostuser");
  const pugi::xml_node model = Child(video, "model");
  Set(model, "type", "virtio");
  Set(model, "heads", std::to_string(description.heads));
  if (primary) Set(model, "primary", "yes");
  // libvirt passes --virgl whenever accel3d is there, "no" included.
  if (description.virgl) {
    const pugi::xml_node acceleration = Child(model, "acceleration");
    Set(acceleration, "accel3d", "yes");
    if (!shim && description.render_node != share_env::kSoftwareNode)
      Set(acceleration, "rendernode", description.render_node);
  }
  const pugi::xml_node resolution = Child(model, "resolution");
  Set(resolution, "x", std::to_string(description.width_px));
  Set(resolution, "y", std::to_string(description.height_px));
}

absl::Status CheckPossible(pugi::xml_node domain, const DeviceDescription& description) {
  const std::string arch = domain.child("os").child("type").attribute("arch").value();
  if (arch == "s390x") {
    return absl::FailedPreconditionError(
        "a machine of architecture s390x has no vhost-user-gpu-pci device; use x86_64 or aarch64");
  }
  if (description.display_mode != DisplayMode::kPrimary) return absl::OkStatus();
  for (const pugi::xml_node graphics : domain.child("devices").children("graphics")) {
    if (std::string(graphics.attribute("type").value()) == "vnc") {
      return absl::FailedPreconditionError(
          "display 'primary' is impossible beside VNC: QEMU refuses to start a VNC server on a "
          "vhost-user GPU (\"The console requires display DMABUF support\"); use display "
          "'secondary' or 'headless', or set autoattachGraphicsDevice: false on the VM");
    }
  }
  return absl::OkStatus();
}

void AddGpu(pugi::xml_node domain, const DeviceDescription& description, DomainStyle style) {
  ShareMemory(domain);
  switch (style) {
    case DomainStyle::kQemuCommandline:
      if (description.display_mode == DisplayMode::kPrimary) RemoveOtherAdapters(domain);
      AddCommandline(domain, description);
      break;
    case DomainStyle::kManagedVideo:
      AddVideo(domain, description, /*shim=*/false);
      break;
    case DomainStyle::kShimVideo:
      AddVideo(domain, description, /*shim=*/true);
      break;
  }
}

}  // namespace

absl::StatusOr<std::string> AddGpuToDomain(const std::string& xml,
                                           const DeviceDescription& description,
                                           DomainStyle style) {
  if (xml.size() > kMaxXmlBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the domain XML has ", xml.size(),
                                                   " bytes, at most ", kMaxXmlBytes, " are taken"));
  }
  pugi::xml_document document;
  const pugi::xml_parse_result parsed = document.load_buffer(xml.data(), xml.size(), kParseAll);
  if (!parsed) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the domain XML cannot be parsed: ", parsed.description(), " at byte ", parsed.offset));
  }
  const pugi::xml_node domain = document.document_element();
  if (std::string(domain.name()) != "domain") {
    return absl::InvalidArgumentError(
        absl::StrCat("the XML's root is <", domain.name(), ">, not <domain>"));
  }
  RC_RETURN_IF_ERROR(CheckPossible(domain, description));
  AddGpu(domain, description, style);
  std::ostringstream out;
  document.save(out, "", pugi::format_raw | pugi::format_no_declaration);
  return out.str();
}

std::string DomainFragment(const DeviceDescription& description, DomainStyle style) {
  pugi::xml_document document;
  const pugi::xml_node domain = document.append_child("domain");
  AddGpu(domain, description, style);
  std::ostringstream out;
  document.save(out, "  ", pugi::format_indent | pugi::format_no_declaration);
  return out.str();
}

}  // namespace rendercar::sidecar
