// What must hold before a VM can have a GPU here.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/preflight/preflight.h"

#include <fmt/format.h>

#include <pugixml.hpp>
#include <utility>

#include "sidecar/config/checks.h"
#include "sidecar/kubevirt/vmi.h"

namespace rendercar::sidecar {
namespace {

constexpr char kDevice[] = "vhost-user-gpu-pci";

PreflightCheck Pass(const char* reason, std::string sentence) {
  return {reason, PreflightResult::kPass, std::move(sentence)};
}
PreflightCheck Fail(const char* reason, std::string sentence) {
  return {reason, PreflightResult::kFail, std::move(sentence)};
}
PreflightCheck Skip(const char* reason, std::string sentence) {
  return {reason, PreflightResult::kSkip, std::move(sentence)};
}
PreflightCheck FromStatus(const char* reason, const absl::Status& status, std::string good) {
  return status.ok() ? Pass(reason, std::move(good)) : Fail(reason, std::string(status.message()));
}

PreflightCheck CheckShares(const PreflightInput& input) {
  constexpr char kReason[] = "RenderNodeNotOpenable";
  if (!input.share_problem.empty()) return Fail(kReason, input.share_problem);
  if (input.shares.empty())
    return Fail(kReason, "this container has no share; request rendercar.dev/render in its limits");
  for (const Share& share : input.shares) {
    if (const absl::Status status = CheckRenderNode(share.render_node); !status.ok())
      return Fail(kReason, std::string(status.message()));
  }
  return Pass(kReason, fmt::format("{} render node(s) can be opened", input.shares.size()));
}

PreflightCheck CheckMemoryLimit(const std::optional<uint64_t>& limit) {
  constexpr char kReason[] = "MemoryLimitTooLow";
  if (!limit) return Pass(kReason, "this container has no memory limit");
  if (*limit >= kLeastMemoryBytes)
    return Pass(kReason, fmt::format("the memory limit is {} MiB", *limit >> 20));
  return Fail(kReason,
              fmt::format("the memory limit of this container is {} MiB and at least {} MiB are "
                          "needed; raise resources.limits.memory (KubeVirt gives hook sidecars of "
                          "Guaranteed VMs 64M by default: spec.configuration."
                          "supportContainerResources, type sidecar)",
                          *limit >> 20, kLeastMemoryBytes >> 20));
}

PreflightCheck CheckLauncher(const PreflightInput& input) {
  constexpr char kReason[] = "LauncherUnsupported";
  const std::string& devices = input.qemu_devices;
  if (!input.qemu_problem.empty()) return Fail(kReason, input.qemu_problem);
  if (devices.empty()) return Skip(kReason, "name the launcher's QEMU with --qemu to check it");
  if (devices.find(fmt::format("\"{}\"", kDevice)) != std::string::npos)
    return Pass(kReason, fmt::format("QEMU has {}", kDevice));
  return Fail(kReason,
              fmt::format("this QEMU has no {} (CentOS Stream 9's is built without it); use a "
                          "virt-launcher image with CentOS Stream 10's or Debian's QEMU, see "
                          "docs/kubevirt.md",
                          kDevice));
}

// A NUMA cell that has memory of its own kind, which wins over <memoryBacking>; none if all share.
pugi::xml_node PrivateCell(const pugi::xml_node& domain) {
  return domain.child("cpu").child("numa").find_child([](const pugi::xml_node& cell) {
    return std::string(cell.attribute("memAccess").value()) == "private";
  });
}

PreflightCheck CheckSharedMemory(const std::string& xml) {
  constexpr char kReason[] = "MemoryNotShared";
  if (xml.empty()) return Skip(kReason, "name the domain's XML with --domain to check it");
  pugi::xml_document document;
  if (!document.load_buffer(xml.data(), xml.size()))
    return Fail(kReason, "the domain XML cannot be parsed; pass what virsh dumpxml prints");
  if (const pugi::xml_node cell = PrivateCell(document.document_element())) {
    return Fail(kReason, fmt::format("the memory of NUMA cell '{}' is not shared; set "
                                     "memAccess='shared' there, or leave memAccess out",
                                     cell.attribute("id").value()));
  }
  const pugi::xml_node backing = document.document_element().child("memoryBacking");
  const std::string source = backing.child("source").attribute("type").value();
  const std::string access = backing.child("access").attribute("mode").value();
  if ((source == "memfd" || source == "file") && access == "shared")
    return Pass(kReason, "the guest's memory is shared");
  return Fail(kReason,
              fmt::format("the guest's memory is not shared (source '{}', access '{}'); the domain "
                          "needs <memoryBacking><source type='memfd'/><access mode='shared'/>"
                          "</memoryBacking>: the hook was not called or another one undid it",
                          source, access));
}

PreflightCheck CheckMigration(const std::string& json) {
  constexpr char kReason[] = "LiveMigratable";
  if (json.empty()) return Skip(kReason, "name the VMI's JSON with --vmi to check it");
  const auto vmi = ParseVmi(json, SessionSpec());
  if (!vmi.ok()) return Fail(kReason, std::string(vmi.status().message()));
  if (!vmi->live_migratable) return Pass(kReason, "no live migration on eviction");
  return Fail(kReason,
              "the VM asks for live migration on eviction, which cannot work with this GPU: a "
              "drain would try forever; set evictionStrategy: None or External");
}

const char* Name(PreflightResult result) {
  switch (result) {
    case PreflightResult::kPass:
      return "pass";
    case PreflightResult::kFail:
      return "FAIL";
    case PreflightResult::kSkip:
      return "skip";
  }
  return "unknown";
}

}  // namespace

std::vector<PreflightCheck> Preflight(const PreflightInput& input) {
  return {CheckLauncher(input),
          CheckSharedMemory(input.domain_xml),
          CheckShares(input),
          CheckMemoryLimit(input.memory_limit_bytes),
          FromStatus("SocketPathTooLong", CheckSocketPath(input.vmm_socket_path),
                     fmt::format("{} bytes of socket path", input.vmm_socket_path.size())),
          CheckMigration(input.vmi_json)};
}

std::string PreflightText(const std::vector<PreflightCheck>& checks) {
  std::string text;
  for (const PreflightCheck& check : checks)
    text += fmt::format("{}  {:<22} {}\n", Name(check.result), check.reason, check.sentence);
  return text;
}

}  // namespace rendercar::sidecar
