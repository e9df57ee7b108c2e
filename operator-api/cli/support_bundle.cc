// One file for whoever helps: versions, inventory, sessions, metrics. A tar (ustar), made here.
// SPDX-License-Identifier: Apache-2.0
#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <vector>

#include "common/unique_fd.h"
#include "common/version.h"
#include "operator-api/cli/commands.h"
#include "operator-api/cli/redact.h"
#include "operator-api/cli/tar.h"

namespace rendercar::ctl {
namespace {

// What the call gave, or why not: a bundle of a broken system is the more wanted.
template <typename T>
std::string Outcome(const absl::StatusOr<T>& result) {
  return result.ok() ? ToYaml(*result) : absl::StrCat("error: ", result.status().message(), "\n");
}

std::string Versions() {
  utsname system{};
  ::uname(&system);
  return absl::StrCat("rendercarctl: ", kVersion, "\nkernel: ", system.sysname, " ", system.release,
                      " ", system.machine, "\n");
}

std::string Manifest(const Arguments& arguments, std::time_t now) {
  return absl::StrCat("made: ", now, "\nsocket: ", arguments.socket,
                      "\ncontents: versions, server information, render nodes, shares and sessions "
                      "with their events and statistics\nsecrets: lines that look like passwords, "
                      "tokens or keys have been removed; namespaces and names of pods are there\n");
}

absl::Status WriteFile(const std::string& path, const std::string& content) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) {
    return ErrnoStatus(errno, absl::StrCat("cannot make '", path,
                                           "'; choose another name with --file, or remove it"));
  }
  for (size_t at = 0; at < content.size();) {
    const ssize_t written = ::write(fd.get(), content.data() + at, content.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, absl::StrCat("cannot write '", path, "'"));
    at += static_cast<size_t>(written);
  }
  return absl::OkStatus();
}

absl::Status SupportBundle(Client& client, const Arguments& arguments) {
  const std::time_t now = std::time(nullptr);
  const std::vector<TarFile> files{{"manifest.txt", Manifest(arguments, now)},
                                   {"versions.txt", Versions()},
                                   {"server.yaml", Outcome(client.GetServerInfo())},
                                   {"render-nodes.yaml", Outcome(client.ListRenderNodes())},
                                   {"shares.yaml", Outcome(client.ListShares())},
                                   {"sessions.yaml", Outcome(client.ListSessions())}};
  TarWriter tar("rendercar-support", now);
  for (const TarFile& file : files) tar.Add({file.name, Redact(file.content)});
  const std::string path = arguments.file.empty()
                               ? fmt::format("rendercar-support-{}.tar", static_cast<int64_t>(now))
                               : arguments.file;
  RC_RETURN_IF_ERROR(WriteFile(path, std::move(tar).Finish()));
  std::printf("%s\n", path.c_str());
  return absl::OkStatus();
}

}  // namespace

void AddSupportBundle(CLI::App& app, Arguments& arguments, Command& chosen) {
  CLI::App* bundle = AddCommand(
      app, "support-bundle", "Write a tar with what helps to find a fault", chosen, SupportBundle);
  bundle->add_option("--file", arguments.file, "Its name [rendercar-support-TIME.tar]")
      ->option_text("FILE");
}

}  // namespace rendercar::ctl
