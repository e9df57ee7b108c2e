// One file for whoever helps: versions, inventory, sessions, metrics. A tar (ustar), made here.
// SPDX-License-Identifier: Apache-2.0
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <fmt/format.h>
#include <sys/utsname.h>

#include <array>
#include <cstdio>
#include <ctime>
#include <vector>

#include "common/version.h"
#include "operator-api/cli/commands.h"
#include "operator-api/cli/new_file.h"
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
                      "with their events and statistics; the server's configuration, metrics and "
                      "newest log lines\nsecrets: lines that look like passwords, "
                      "tokens or keys have been removed; namespaces and names of pods are there\n");
}

// The server's configuration, metrics and log, or one file that says why not.
std::vector<TarFile> Diagnostics(Client& client) {
  const auto diagnostics = client.GetDiagnostics();
  if (!diagnostics.ok()) return {{"diagnostics.txt", Outcome(diagnostics)}};
  return {{"configuration.txt", diagnostics->configuration()},
          {"metrics.txt", diagnostics->metrics()},
          {"log.txt", absl::StrJoin(diagnostics->log_lines(), "")}};
}

absl::Status SupportBundle(Client& client, const Arguments& arguments) {
  const std::time_t now = std::time(nullptr);
  std::vector<TarFile> files{{"manifest.txt", Manifest(arguments, now)},
                             {"versions.txt", Versions()},
                             {"server.yaml", Outcome(client.GetServerInfo())},
                             {"render-nodes.yaml", Outcome(client.ListRenderNodes())},
                             {"shares.yaml", Outcome(client.ListShares())},
                             {"sessions.yaml", Outcome(client.ListSessions())}};
  for (TarFile& file : Diagnostics(client)) files.push_back(std::move(file));
  TarWriter tar("rendercar-support", now);
  for (const TarFile& file : files) tar.Add({file.name, Redact(file.content)});
  const std::string path = arguments.file.empty()
                               ? fmt::format("rendercar-support-{}.tar", static_cast<int64_t>(now))
                               : arguments.file;
  RC_RETURN_IF_ERROR(WriteNewFile(path, std::move(tar).Finish()));
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
