// The device definition for plain QEMU: its command-line arguments.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/definition/qemu_args.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_replace.h>

#include <nlohmann/json.hpp>

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

std::map<std::string, std::string> JsonOptions(const std::string& text) {
  std::map<std::string, std::string> options;
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return options;
  for (const auto& [key, value] : json.items())
    options[key == "driver" ? "" : key] =
        value.is_string() ? value.get<std::string>() : value.dump();
  return options;
}

}  // namespace

std::map<std::string, std::string> QemuOptions(const std::string& text) {
  if (!text.empty() && text[0] == '{') return JsonOptions(text);
  std::map<std::string, std::string> options;
  std::string part;
  const auto store = [&options, &part] {
    const size_t equals = part.find('=');
    if (equals == std::string::npos) {
      options[""] = part;
    } else {
      options[part.substr(0, equals)] = part.substr(equals + 1);
    }
    part.clear();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const bool comma = text[i] == ',';
    const bool doubled = comma && i + 1 < text.size() && text[i + 1] == ',';
    if (doubled) ++i;
    if (comma && !doubled) {
      store();
    } else {
      part += text[i];
    }
  }
  store();
  return options;
}

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

std::string QemuDeviceJson(const DeviceDescription& description) {
  const nlohmann::ordered_json device{
      {"driver", "vhost-user-gpu-pci"},        {"id", QemuDeviceId(description)},
      {"chardev", QemuChardevId(description)}, {"max_outputs", description.heads},
      {"xres", description.width_px},          {"yres", description.height_px}};
  return device.dump();
}

std::string QemuOptionId(const std::string& value) {
  const auto options = QemuOptions(value);
  const auto id = options.find("id");
  return id == options.end() ? "" : id->second;
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

absl::StatusOr<std::vector<std::string>> ShellWords(const std::string& line) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    const bool blank = quote == 0 && (c == ' ' || c == '\t' || c == '\n');
    if (!blank && !in_word) words.emplace_back();
    in_word = !blank;
    if (blank) continue;
    if (c == quote) {
      quote = 0;
    } else if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == '\\' && quote != '\'' && i + 1 < line.size()) {
      words.back() += line[++i];
    } else {
      words.back() += c;
    }
  }
  if (quote != 0)
    return absl::InvalidArgumentError(
        absl::StrCat("a quote (", std::string(1, quote), ") is not closed"));
  return words;
}

}  // namespace rendercar::sidecar
