// The device definition for plain QEMU: its command-line arguments.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/definition/qemu_args.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_replace.h>

namespace rendercar::sidecar {
namespace {

constexpr char kMemoryId[] = "rendercar-mem";

// A value within QEMU's comma-separated options.
std::string OptionValue(const std::string& value) {
  return absl::StrReplaceAll(value, {{",", ",,"}});
}

std::string Quoted(const std::string& argument) {
  constexpr char kPlain[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=,./:@%+";
  if (!argument.empty() && argument.find_first_not_of(kPlain) == std::string::npos) return argument;
  return absl::StrCat("'", absl::StrReplaceAll(argument, {{"'", "'\\''"}}), "'");
}

}  // namespace

// QEMU ids start with a letter; session names may start with a digit.
std::string QemuChardevId(const DeviceDescription& description) {
  return absl::StrCat("rendercar-chr-", description.name);
}

std::string QemuDeviceId(const DeviceDescription& description) {
  return absl::StrCat("rendercar-", description.name);
}

std::string QemuChardev(const DeviceDescription& description) {
  return absl::StrCat("socket,id=", QemuChardevId(description),
                      ",path=", OptionValue(description.socket_path));
}

std::string QemuDevice(const DeviceDescription& description) {
  return absl::StrCat("vhost-user-gpu-pci,id=", QemuDeviceId(description),
                      ",chardev=", QemuChardevId(description), ",max_outputs=", description.heads,
                      ",xres=", description.width_px, ",yres=", description.height_px);
}

std::vector<std::string> QemuArgs(const DeviceDescription& description) {
  std::vector<std::string> arguments{
      "-object",
      absl::StrCat("memory-backend-memfd,id=", kMemoryId,
                   ",share=on,size=", description.guest_memory_bytes),
      "-machine", absl::StrCat("memory-backend=", kMemoryId)};
  if (description.display_mode == DisplayMode::kPrimary) {
    arguments.insert(arguments.end(), {"-vga", "none"});
  }
  arguments.insert(arguments.end(),
                   {"-chardev", QemuChardev(description), "-device", QemuDevice(description)});
  return arguments;
}

std::string ShellQuoted(const std::vector<std::string>& arguments) {
  return absl::StrJoin(arguments, " ", [](std::string* out, const std::string& argument) {
    *out += Quoted(argument);
  });
}

}  // namespace rendercar::sidecar
