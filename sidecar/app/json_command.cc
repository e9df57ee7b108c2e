// rendercar-sidecar vhost-user-json list|check|install|remove.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/app/json_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "sidecar/config/checks.h"
#include "sidecar/definition/vhost_user_json.h"
#include "sidecar/vhostuser/helper_probe.h"
#include "sidecar/vhostuser/json_dirs.h"

namespace rendercar::sidecar {
namespace {

std::vector<JsonFile> Files(const JsonOptions& options) {
  return ListJson(options.dirs.empty() ? JsonDirs(::getenv, options.session) : options.dirs);
}

const char* Name(JsonState state) {
  switch (state) {
    case JsonState::kActive:
      return "active";
    case JsonState::kMasked:
      return "masked";
    case JsonState::kHidden:
      return "hidden";
    case JsonState::kBroken:
      return "broken";
  }
  return "unknown";
}

absl::Status List(const JsonOptions& options) {
  const std::vector<JsonFile> files = Files(options);
  size_t width = 0;
  for (const JsonFile& file : files) width = std::max(width, file.path.size());
  fmt::print("{:<7} {:<6} {:<{}} {}\n", "STATE", "TYPE", "FILE", width, "BINARY");
  for (const JsonFile& file : files)
    fmt::print("{:<7} {:<6} {:<{}} {}\n", Name(file.state), file.type.empty() ? "-" : file.type,
               file.path, width, file.binary.empty() ? "-" : file.binary);
  return absl::OkStatus();
}

// One line a file that counts; whether it is fine.
bool CheckFile(const JsonFile& file) {
  if (file.state == JsonState::kBroken) {
    fmt::print("FAIL  {}: {}; libvirt starts no VM with any vhost-user device until it is gone\n",
               file.path, file.problem);
    return false;
  }
  if (file.state != JsonState::kActive || file.type != "gpu") return true;
  const auto features = ProbeHelper(file.binary);
  if (!features.ok()) {
    fmt::print("FAIL  {}: {}\n", file.path, std::string(features.status().message()));
    return false;
  }
  fmt::print("ok    {}: {} with {}\n", file.path, file.binary, fmt::join(*features, ", "));
  return true;
}

absl::Status Check(const JsonOptions& options) {
  int wrong = 0;
  for (const JsonFile& file : Files(options)) wrong += CheckFile(file) ? 0 : 1;
  if (wrong == 0) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(wrong, " of the files above must be repaired or removed"));
}

std::string Target(const JsonOptions& options) {
  return absl::StrCat(options.dir, "/", options.name.empty() ? kVhostUserJsonName : options.name);
}

// Another directory's file is not meant, and libvirt skips names that begin with a dot.
absl::Status CheckName(const std::string& name) {
  if (name.find('/') == std::string::npos && name.rfind('.', 0) != 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("file name '", name,
                   "' (--name) has a '/' or begins with '.'; write just a name, for example ",
                   kVhostUserJsonName, ", and the directory with --dir"));
}

// A file of that name that somebody else wrote is not touched without --force.
absl::Status CheckOurs(const JsonOptions& options) {
  if (options.force) return absl::OkStatus();
  for (const JsonFile& file : ListJson({options.dir})) {
    if (file.path == Target(options) && !file.ours) {
      return absl::AlreadyExistsError(
          absl::StrCat("'", file.path,
                       "' is not ours (no tag \"rendercar\"); name another with "
                       "--name, or use --force"));
    }
  }
  return absl::OkStatus();
}

absl::Status Install(const JsonOptions& options) {
  RC_RETURN_IF_ERROR(CheckName(options.name));
  RC_RETURN_IF_ERROR(CheckWritableDirectory(options.dir, "vhost-user JSON directory (--dir)"));
  RC_RETURN_IF_ERROR(CheckAbsolute(options.binary, "program (--binary)"));
  RC_RETURN_IF_ERROR(CheckProgram(options.binary, "program (--binary)"));
  RC_RETURN_IF_ERROR(CheckOurs(options));
  RC_ASSIGN_OR_RETURN(OwnedFile file,
                      OwnedFile::Write(Target(options), VhostUserJson(OurBackend(options.binary))));
  fmt::print("{}\n", file.path());
  file.Keep();
  return absl::OkStatus();
}

absl::Status Remove(const JsonOptions& options) {
  RC_RETURN_IF_ERROR(CheckName(options.name));
  RC_RETURN_IF_ERROR(CheckOurs(options));
  const std::string path = Target(options);
  if (::unlink(path.c_str()) == 0) return absl::OkStatus();
  if (errno == ENOENT)
    return absl::NotFoundError(absl::StrCat(
        "there is no '", path, "'; 'vhost-user-json list' shows which files there are"));
  return ErrnoStatus(errno, absl::StrCat("cannot remove '", path, "'"));
}

CLI::App* Add(CLI::App& parent, JsonOptions& options, const char* name, const char* help,
              absl::Status (*run)(const JsonOptions&)) {
  CLI::App* command = parent.add_subcommand(name, help);
  command->option_defaults()->take_last();
  command->parse_complete_callback([&options, run] { options.run = run; });
  return command;
}

void AddSearchFlags(CLI::App* command, JsonOptions& options) {
  command
      ->add_option("--dir", options.dirs, "A directory, in reading order; repeatable [libvirt's]")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->option_text("DIR");
  command->add_flag("--session", options.session, "As libvirt's unprivileged daemon reads them");
}

void AddFileFlags(CLI::App* command, JsonOptions& options) {
  command->add_option("--dir", options.dir, "The directory [/etc/qemu/vhost-user]")
      ->option_text("DIR");
  command->add_option("--name", options.name, std::string("File name [") + kVhostUserJsonName + "]")
      ->option_text("NAME");
  command->add_flag("--force", options.force, "Also a file that somebody else wrote");
}

}  // namespace

CLI::App* AddJsonCommand(CLI::App& app, JsonOptions& options) {
  CLI::App* json =
      app.add_subcommand("vhost-user-json", "List, check, install, remove what libvirt reads");
  json->require_subcommand(1);
  AddSearchFlags(Add(*json, options, "list", "Every file, and which of them count", List), options);
  AddSearchFlags(Add(*json, options, "check", "What keeps libvirt from using them", Check),
                 options);
  CLI::App* install = Add(*json, options, "install", "Write ours", Install);
  AddFileFlags(install, options);
  install
      ->add_option("--binary", options.binary, "The backend or shim [/usr/bin/rendercar-backend]")
      ->option_text("PATH");
  AddFileFlags(Add(*json, options, "remove", "Remove ours", Remove), options);
  return json;
}

}  // namespace rendercar::sidecar
