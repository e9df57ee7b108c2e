// Device definitions read back into the description that they were rendered from.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/definition/parse.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_join.h>

#include <map>
#include <nlohmann/json.hpp>
#include <pugixml.hpp>
#include <vector>

#include "common/share_env.h"
#include "sidecar/definition/domain_xml.h"
#include "sidecar/definition/qemu_args.h"
#include "sidecar/definition/xml_namespace.h"

namespace rendercar::sidecar {
namespace {

constexpr char kDevice[] = "vhost-user-gpu-pci";
constexpr char kIdPrefix[] = "rendercar-";

template <typename T>
absl::Status ReadNumber(const std::map<std::string, std::string>& options, const std::string& key,
                        T& number) {
  const auto found = options.find(key);
  if (found == options.end() || absl::SimpleAtoi(found->second, &number)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(key, " is '", found->second, "', which is no number"));
}

// The value of the first OPTION whose value has `key` equal to `wanted` ("": the kind).
std::map<std::string, std::string> FindOption(const std::vector<std::string>& arguments,
                                              const std::string& option, const std::string& key,
                                              const std::string& wanted) {
  for (size_t i = 0; i + 1 < arguments.size(); ++i) {
    if (arguments[i] != option) continue;
    auto options = QemuOptions(arguments[i + 1]);
    if (options[key] == wanted) return options;
  }
  return {};
}

// Chardev and device, as QEMU's command line and <qemu:commandline> share them.
absl::Status ReadDevice(const std::vector<std::string>& arguments, DeviceDescription& description) {
  const auto device = FindOption(arguments, "-device", "", kDevice);
  const auto id = device.find("id");
  if (id == device.end() || id->second.rfind(kIdPrefix, 0) != 0)
    return absl::NotFoundError(absl::StrCat("no -device ", kDevice, ",id=", kIdPrefix, "... here"));
  description.name = id->second.substr(sizeof(kIdPrefix) - 1);
  auto chardev = FindOption(arguments, "-chardev", "id", QemuChardevId(description));
  description.socket_path = chardev["path"];
  RC_RETURN_IF_ERROR(ReadNumber(device, "max_outputs", description.heads));
  RC_RETURN_IF_ERROR(ReadNumber(device, "xres", description.width_px));
  return ReadNumber(device, "yres", description.height_px);
}

absl::StatusOr<DeviceDescription> ParseQemuArgs(const std::string& text) {
  RC_ASSIGN_OR_RETURN(const std::vector<std::string> arguments, ShellWords(text));
  DeviceDescription description;
  RC_RETURN_IF_ERROR(ReadDevice(arguments, description));
  const auto memory = FindOption(arguments, "-object", "", "memory-backend-memfd");
  RC_RETURN_IF_ERROR(ReadNumber(memory, "size", description.guest_memory_bytes));
  for (size_t i = 0; i + 1 < arguments.size(); ++i) {
    if (arguments[i] == "-vga" && arguments[i + 1] == "none")
      description.display_mode = DisplayMode::kPrimary;
  }
  return description;
}

absl::StatusOr<DeviceDescription> ParseCommandline(pugi::xml_node domain) {
  std::vector<std::string> arguments;
  const pugi::xml_node commandline = FindChild(domain, kQemuXmlNamespace, "commandline");
  for (const pugi::xml_node child : commandline.children()) {
    if (child.type() == pugi::node_element && LocalName(child) == "arg")
      arguments.emplace_back(child.attribute("value").value());
  }
  DeviceDescription description;
  RC_RETURN_IF_ERROR(ReadDevice(arguments, description));
  const pugi::xml_node video = domain.child("devices").child("video");
  if (std::string(video.child("model").attribute("type").value()) == "none")
    description.display_mode = DisplayMode::kPrimary;
  return description;
}

absl::StatusOr<DeviceDescription> ParseVideo(pugi::xml_node domain) {
  for (const pugi::xml_node video : domain.child("devices").children("video")) {
    if (std::string(video.child("driver").attribute("name").value()) != "vhostuser") continue;
    const pugi::xml_node model = video.child("model");
    DeviceDescription description;
    description.name = "gpu0";  // libvirt names the device itself
    description.heads = model.attribute("heads").as_uint(1);
    if (std::string(model.attribute("primary").value()) == "yes")
      description.display_mode = DisplayMode::kPrimary;
    const pugi::xml_node acceleration = model.child("acceleration");
    description.virgl = std::string(acceleration.attribute("accel3d").value()) == "yes";
    description.render_node =
        acceleration.attribute("rendernode").as_string(share_env::kSoftwareNode);
    const pugi::xml_node size = model.child("resolution");
    description.width_px = size.attribute("x").as_uint(description.width_px);
    description.height_px = size.attribute("y").as_uint(description.height_px);
    return description;
  }
  return absl::NotFoundError("no <video> with <driver name='vhostuser'/> here");
}

absl::StatusOr<DeviceDescription> ParseXml(const std::string& text, DomainStyle style) {
  pugi::xml_document document;
  if (const pugi::xml_parse_result parsed = document.load_buffer(text.data(), text.size()); !parsed)
    return absl::InvalidArgumentError(
        absl::StrCat("the domain XML cannot be parsed: ", parsed.description()));
  return style == DomainStyle::kQemuCommandline ? ParseCommandline(document.document_element())
                                                : ParseVideo(document.document_element());
}

absl::StatusOr<DeviceDescription> ParseJson(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("binary") || !json["binary"].is_string())
    return absl::InvalidArgumentError("this is no vhost-user JSON: it names no binary");
  DeviceDescription description;
  description.name = "gpu0";
  description.backend_path = json["binary"].get<std::string>();
  return description;
}

}  // namespace

absl::StatusOr<DeviceDescription> ParseDefinition(const std::string& text,
                                                  DefinitionFormat format) {
  if (const auto style = StyleOf(format)) return ParseXml(text, *style);
  return format == DefinitionFormat::kVhostUserJson ? ParseJson(text) : ParseQemuArgs(text);
}

std::string DescriptionFlags(const DeviceDescription& description) {
  std::vector<std::string> flags{"--name=" + description.name};
  const auto add = [&flags](const std::string& flag, const std::string& value) {
    if (!value.empty()) flags.push_back(absl::StrCat(flag, "=", value));
  };
  add("--socket-path", description.socket_path);
  add("--display", Name(description.display_mode));
  add("--resolution", absl::StrCat(description.width_px, "x", description.height_px));
  add("--heads", std::to_string(description.heads));
  add("--render-node", description.render_node);
  add("--binary", description.backend_path);
  if (!description.virgl) flags.emplace_back("--no-3d");
  return ShellQuoted(flags);
}

}  // namespace rendercar::sidecar
