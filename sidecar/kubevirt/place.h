// Where KubeVirt's directories are in this container, and which protocols follow from that.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "common/status.h"
#include "sidecar/config/share.h"

namespace rendercar::sidecar {

inline constexpr char kHooksDir[] = "/var/run/kubevirt-hooks";
inline constexpr char kPluginDir[] = "/var/run/kubevirt-plugin/rendercar";

struct KubevirtFlags {
  std::string mode = "auto";  // auto, hooks, plugin, off
  std::string hooks_dir = kHooksDir;
  std::string plugin_dir = kPluginDir;
};

// One socket that KubeVirt finds.
struct HookSocket {
  std::string bound;  // where it is bound before it serves: never in a directory that is scanned
  std::string path;   // where it is found
};

struct KubevirtPlace {
  // Absent: there is no KubeVirt here.
  std::optional<HookSocket> socket;
  // Directory of the vhost-user sockets here and as virt-launcher's container sees it.
  std::string socket_dir;
  std::string vmm_socket_dir;
};

// Finds out from flags and what exists. "auto": the plugin directory when it is mounted, else the
// hooks directory when virt-launcher's CONTAINER_NAME says that this is a hook sidecar. NotFound
// when a mode is asked for whose directory is missing.
absl::StatusOr<KubevirtPlace> FindKubevirt(const KubevirtFlags& flags,
                                           const Environment& environment);

}  // namespace rendercar::sidecar
