// fake-virt-launcher: a stand-in for virt-launcher as a program: collects hook sidecars, defines a
// domain twice in a libvirt through virsh, and tells sidecars to shut down.
// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "common/program.h"
#include "common/temp_dir.h"
#include "sidecar/vhostuser/program_output.h"
#include "tests/fakes/virt-launcher/launcher.h"

namespace {

using rendercar::testing::CollectOptions;
using rendercar::testing::Hook;
using rendercar::testing::LaunchInput;
using rendercar::testing::LaunchResult;

constexpr char kProgram[] = "fake-virt-launcher";

struct Flags {
  CollectOptions collect{"", 0, std::chrono::seconds(240)};
  std::string plugin_socket;
  std::string domain;
  std::string vmi;
  std::string virsh = "virsh";
  std::string uri;
  bool shutdown = false;
};

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const std::ifstream file(path);
  if (!file) return absl::NotFoundError("cannot read " + path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

absl::StatusOr<std::string> Virsh(const Flags& flags, const std::vector<std::string>& arguments) {
  std::vector<std::string> argv{"/usr/bin/env", flags.virsh, "-q", "-c", flags.uri};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  RC_ASSIGN_OR_RETURN(const auto output,
                      rendercar::sidecar::RunProgram(argv, std::chrono::seconds(60)));
  if (output.end.clean()) return output.text;
  return absl::InternalError(absl::StrCat("virsh ", arguments[0], " ", output.end.ToString()));
}

// The name of the domain that virsh says it defined: "Domain 'NAME' defined from FILE".
std::string NameIn(const std::string& xml) {
  const size_t begin = xml.find("<name>") + 6;
  return xml.substr(begin, xml.find("</name>") - begin);
}

absl::StatusOr<std::string> DefineInLibvirt(const Flags& flags, const std::string& dir,
                                            const std::string& xml) {
  const std::string path = dir + "/domain.xml";
  std::ofstream(path) << xml;
  RC_RETURN_IF_ERROR(Virsh(flags, {"define", path}).status());
  return Virsh(flags, {"dumpxml", "--inactive", NameIn(xml)});
}

absl::Status Run(const Flags& flags) {
  std::vector<Hook> hooks;
  if (flags.collect.count > 0) {
    RC_ASSIGN_OR_RETURN(hooks, rendercar::testing::CollectHooks(flags.collect));
  }
  if (flags.shutdown) {
    for (const Hook& hook : hooks) RC_RETURN_IF_ERROR(rendercar::testing::CallShutdown(hook));
    return absl::OkStatus();
  }
  const rendercar::TempDir dir;
  LaunchInput input;
  input.hooks = hooks;
  input.plugin_socket = flags.plugin_socket;
  RC_ASSIGN_OR_RETURN(input.domain_xml, ReadFile(flags.domain));
  RC_ASSIGN_OR_RETURN(input.vmi, ReadFile(flags.vmi));
  input.define = [&](const std::string& xml) { return DefineInLibvirt(flags, dir / "", xml); };
  RC_ASSIGN_OR_RETURN(const LaunchResult result, rendercar::testing::Launch(input));
  std::printf("%s\n", result.second.c_str());
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("A stand-in for KubeVirt's virt-launcher, for tests.", kProgram);
  rendercar::ProgramFlags flags(app, kProgram);
  Flags chosen;
  app.add_option("--hooks-dir", chosen.collect.dir, "Directory with a subdirectory a hook sidecar");
  app.add_option("--hook-sidecars", chosen.collect.count, "How many to wait for");
  app.add_option("--plugin-socket", chosen.plugin_socket, "Socket of a plugin");
  app.add_option("--domain", chosen.domain, "The domain as KubeVirt's converter makes it");
  app.add_option("--vmi", chosen.vmi, "The VMI as JSON");
  app.add_option("--virsh", chosen.virsh, "The program virsh");
  app.add_option("--connect", chosen.uri, "libvirt's URI");
  app.add_flag("--shutdown", chosen.shutdown, "Only tell the sidecars that the VM is gone");
  if (const auto exit = flags.Parse(argc, argv)) return static_cast<int>(*exit);
  const absl::Status status = Run(chosen);
  return status.ok() ? 0 : rendercar::Fail(kProgram, status);
}
