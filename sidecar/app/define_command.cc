// rendercar-sidecar define: prints a device definition without a running sidecar.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/app/define_command.h"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>

#include "common/share_env.h"
#include "sidecar/app/options.h"
#include "sidecar/config/checks.h"
#include "sidecar/definition/parse.h"
#include "sidecar/definition/render.h"

namespace rendercar::sidecar {
namespace {

absl::StatusOr<DeviceDescription> Describe(const DefineOptions& options) {
  DeviceDescription description;
  description.name = options.name;
  description.socket_path = options.socket_path.empty()
                                ? absl::StrCat(kDefaultSocketDir, "/", options.name, ".sock")
                                : options.socket_path;
  RC_ASSIGN_OR_RETURN(description.display_mode, ParseDisplayMode(options.display));
  RC_ASSIGN_OR_RETURN(const Resolution size, ParseResolution(options.resolution));
  description.width_px = size.width_px;
  description.height_px = size.height_px;
  description.heads = options.heads;
  description.virgl = !options.no_3d;
  description.render_node = options.render_node;
  description.guest_memory_bytes = options.guest_memory_bytes;
  description.backend_path = options.binary;
  RC_RETURN_IF_ERROR(Validate(description));
  RC_RETURN_IF_ERROR(CheckSocketPath(description.socket_path));
  RC_RETURN_IF_ERROR(CheckAbsolute(description.backend_path, "program (--binary)"));
  if (options.render_node != share_env::kSoftwareNode) {
    RC_RETURN_IF_ERROR(CheckAbsolute(options.render_node, "render node (--render-node)"));
  }
  return description;
}

absl::StatusOr<std::string> ReadAll(const std::string& path, const char* flag) {
  std::ostringstream text;
  if (path == "-") {
    text << std::cin.rdbuf();
    return text.str();
  }
  const std::ifstream file(path);
  if (!file)
    return absl::NotFoundError(
        absl::StrCat("cannot read '", path, "' (", flag, "); name a file, or '-'"));
  text << file.rdbuf();
  return text.str();
}

// A definition as the flags that make it.
absl::StatusOr<std::string> ReadBack(const std::string& path, DefinitionFormat format) {
  RC_ASSIGN_OR_RETURN(const std::string text, ReadAll(path, "--read"));
  RC_ASSIGN_OR_RETURN(const DeviceDescription description, ParseDefinition(text, format));
  return DescriptionFlags(description);
}

absl::StatusOr<std::string> Text(const DefineOptions& options) {
  const auto format = ParseFormat(options.format);
  RC_CHECK(format.has_value(), "the flag's check lets known formats through only");
  RC_ASSIGN_OR_RETURN(const DeviceDescription description, Describe(options));
  if (!options.read.empty()) return ReadBack(options.read, *format);
  if (options.domain.empty()) return Render(description, *format).text;
  const auto style = StyleOf(*format);
  if (!style) {
    return absl::InvalidArgumentError(
        absl::StrCat("format '", options.format,
                     "' is no domain XML, so --domain does not go with it; use kubevirt, "
                     "libvirt-managed or libvirt-shim"));
  }
  RC_ASSIGN_OR_RETURN(const std::string xml, ReadAll(options.domain, "--domain"));
  return AddGpuToDomain(xml, description, *style);
}

}  // namespace

CLI::App* AddDefineCommand(CLI::App& app, DefineOptions& options) {
  CLI::App* define = app.add_subcommand("define", "Print how a VMM is told of a GPU, and end");
  define->option_defaults()->take_last();
  std::vector<std::string> formats;
  for (const DefinitionFormat format : kAllFormats) formats.push_back(ToString(format));
  define
      ->add_option("--format", options.format,
                   "qemu-args, libvirt-managed, libvirt-shim, kubevirt or vhost-user-json "
                   "[qemu-args]")
      ->check(CLI::IsMember(formats))
      ->option_text("FORMAT");
  define->add_option("--name", options.name, "The session's name [gpu0]")->option_text("NAME");
  define
      ->add_option("--socket-path", options.socket_path,
                   std::string("Socket as the VMM sees it [") + kDefaultSocketDir + "/NAME.sock]")
      ->option_text("PATH");
  define->add_option("--display", options.display, "headless, secondary or primary [secondary]")
      ->option_text("MODE");
  define->add_option("--resolution", options.resolution, "Size of the first screen [1280x800]")
      ->option_text("WxH");
  define->add_option("--heads", options.heads, "Number of screens [1]")->option_text("N");
  define->add_option("--render-node", options.render_node, "For libvirt-managed [software]")
      ->option_text("PATH");
  define
      ->add_option("--binary", options.binary,
                   "For vhost-user-json: the backend or shim [/usr/bin/rendercar-backend]")
      ->option_text("PATH");
  define
      ->add_option("--domain", options.domain,
                   "Add the GPU to this domain XML ('-': standard input) and print all of it")
      ->option_text("FILE");
  define
      ->add_option("--read", options.read,
                   "The other way: print the flags that make the definition of this format in FILE "
                   "('-': standard input)")
      ->option_text("FILE");
  define->add_option("--guest-memory", options.guest_memory_bytes, "For qemu-args [2GiB]")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->option_text("BYTES");
  define->add_flag("--no-3d", options.no_3d, "2D only");
  return define;
}

absl::Status RunDefine(const DefineOptions& options) {
  RC_ASSIGN_OR_RETURN(std::string text, Text(options));
  if (text.empty() || text.back() != '\n') text += '\n';
  std::fwrite(text.data(), 1, text.size(), stdout);
  return absl::OkStatus();
}

}  // namespace rendercar::sidecar
