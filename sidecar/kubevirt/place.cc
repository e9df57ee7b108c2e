// Where KubeVirt's directories are in this container, and which protocols follow from that.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/kubevirt/place.h"

#include <sys/stat.h>

#include "sidecar/config/checks.h"
#include "sidecar/kubevirt/published_socket.h"

namespace rendercar::sidecar {
namespace {

constexpr char kContainerName[] = "CONTAINER_NAME";

bool IsDirectory(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

// A plugin's directory is the same path in both containers, and nobody scans it.
KubevirtPlace Plugin(const std::string& dir) {
  return {HookSocket{dir + "/.hook.sock", dir + "/hook.sock"}, dir, dir};
}

// virt-launcher dials every file of the hooks directory, so data sockets lie in a subdirectory. It
// sees our directory below the name of our container.
KubevirtPlace Hooks(const std::string& dir, const std::string& container) {
  return {HookSocket{dir + "/data/.hook.sock", dir + "/" + UniqueSocketName()}, dir + "/data",
          dir + "/" + container + "/data"};
}

}  // namespace

absl::StatusOr<KubevirtPlace> FindKubevirt(const KubevirtFlags& flags,
                                           const Environment& environment) {
  const char* name = environment(kContainerName);
  const std::string container = name == nullptr ? "" : name;
  const bool automatic = flags.mode == "auto";
  if (flags.mode == "plugin" || (automatic && IsDirectory(flags.plugin_dir))) {
    RC_RETURN_IF_ERROR(CheckWritableDirectory(flags.plugin_dir, "KubeVirt's plugin directory"));
    return Plugin(flags.plugin_dir);
  }
  if (flags.mode == "hooks" || (automatic && !container.empty() && IsDirectory(flags.hooks_dir))) {
    RC_RETURN_IF_ERROR(CheckWritableDirectory(flags.hooks_dir, "KubeVirt's hooks directory"));
    if (container.empty())
      return absl::NotFoundError(
          "CONTAINER_NAME is not set, so it is unknown where virt-launcher sees this container's "
          "sockets; KubeVirt sets it for hook sidecars (for example 'hook-sidecar-0')");
    return Hooks(flags.hooks_dir, container);
  }
  return KubevirtPlace{};
}

}  // namespace rendercar::sidecar
