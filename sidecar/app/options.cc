// The sidecar's command line.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/app/options.h"

#include <absl/strings/numbers.h>

#include "common/share_env.h"

namespace rendercar::sidecar {
namespace {

void AddShareFlags(CLI::App& app, Options& options) {
  const char* group = "Share (by default what Allocate put into the environment)";
  app.add_option("--share", options.share,
                 "Id of the share; with Allocate's environment: use only this one of it")
      ->option_text("ID")
      ->group(group);
  app.add_option("--render-node", options.render_node,
                 "Device path of the render node, or 'software'")
      ->option_text("PATH")
      ->group(group);
  app.add_option("--session-dir", options.session_dir, "Writable directory for statistics pages")
      ->option_text("DIR")
      ->group(group);
  app.add_option("--video-memory", options.video_memory,
                 "Most bytes of video memory of the share; 0: no limit")
      ->option_text("BYTES")
      ->group(group);
}

void AddSessionFlags(CLI::App& app, Options& options) {
  const char* group = "Session made at start";
  app.add_option("--create-session", options.create_session,
                 "Name of a session to create at start; when that fails, the sidecar ends")
      ->option_text("NAME")
      ->envname("RENDERCAR_CREATE_SESSION")
      ->group(group);
  app.add_option("--display", options.display,
                 "headless, secondary or primary [secondary; under KubeVirt headless]")
      ->option_text("MODE")
      ->envname("RENDERCAR_DISPLAY")
      ->check(CLI::IsMember({"headless", "secondary", "primary"}))
      ->group(group);
  app.add_option("--resolution", options.resolution, "Size of the first screen [1280x800]")
      ->option_text("WxH")
      ->group(group);
  app.add_option("--heads", options.heads, "Number of screens, 1 to 16 [1]")
      ->option_text("N")
      ->group(group);
  app.add_flag("--no-3d", options.no_3d, "2D only")->group(group);
}

void AddServerFlags(CLI::App& app, Options& options) {
  app.add_option("--socket-dir", options.socket_dir,
                 std::string("Directory for vhost-user sockets, shared with the VMM [") +
                     kDefaultSocketDir + "]")
      ->option_text("DIR")
      ->envname("RENDERCAR_SOCKET_DIR");
  app.add_option("--vmm-socket-dir", options.vmm_socket_dir,
                 "The same directory as the VMM's container sees it [SOCKET-DIR]")
      ->option_text("DIR");
  app.add_option("--control-socket", options.control_socket,
                 std::string("Socket of the control API, or off [") + kDefaultControlSocket + "]")
      ->option_text("PATH")
      ->envname("RENDERCAR_CONTROL_SOCKET");
  app.add_option("--limit", options.limits,
                 "A limit of every session, which wins over the allocation's, such as "
                 "contexts=64; repeatable. What there is: docs/configuration.md")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->option_text("NAME=NUMBER");
  app.add_option("--failover-node", options.failover_nodes,
                 "Where 3D may move when its render node is gone: a path, or software; repeatable "
                 "[the allocation's]")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->option_text("PATH");
  app.add_option("--shim-socket", options.shim_socket,
                 "Serve rendercar-shim, which libvirt spawns, on this socket instead of sessions")
      ->option_text("PATH");
  app.add_option("--allow-uid", options.allow_uids,
                 "A uid that may use the control API beside root and the sidecar's own; repeatable")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->option_text("UID");
  app.add_option("--metrics-address", options.metrics_address,
                 std::string("HOST:PORT for Prometheus, or off [") + kDefaultMetricsAddress + "]")
      ->option_text("ADDRESS")
      ->envname("RENDERCAR_METRICS_ADDRESS");
  app.add_option("--backend", options.backend,
                 "The backend program [rendercar-backend beside this program]")
      ->option_text("PATH");
  app.add_option("--vhost-user-json-dir", options.vhost_user_json_dir,
                 "Directory for the vhost-user JSON [SOCKET-DIR/vhost-user, made if missing]")
      ->option_text("DIR");
  app.add_option("--stop-grace-ms", options.stop_grace_ms,
                 "Time from SIGTERM to SIGKILL for a backend [2000]")
      ->option_text("MS");
}

void AddKubevirtFlags(CLI::App& app, Options& options) {
  const char* group = "KubeVirt";
  app.add_option("--kubevirt", options.kubevirt.mode,
                 "hooks, plugin, off, or auto: by the directories that are there [auto]")
      ->option_text("MODE")
      ->check(CLI::IsMember({"auto", "hooks", "plugin", "off"}))
      ->group(group);
  app.add_option("--kubevirt-hooks-dir", options.kubevirt.hooks_dir,
                 std::string("virt-launcher's directory for hook sidecars [") + kHooksDir + "]")
      ->option_text("DIR")
      ->group(group);
  app.add_option("--kubevirt-plugin-dir", options.kubevirt.plugin_dir,
                 std::string("The plugin's socket directory [") + kPluginDir + "]")
      ->option_text("DIR")
      ->group(group);
}

}  // namespace

void AddFlags(CLI::App& app, Options& options) {
  app.option_defaults()->take_last();  // a flag given twice: the last one counts
  AddServerFlags(app, options);
  AddShareFlags(app, options);
  AddSessionFlags(app, options);
  AddKubevirtFlags(app, options);
}

absl::StatusOr<ShareFlags> ToShareFlags(const Options& options) {
  ShareFlags flags{options.share, options.render_node, options.session_dir, std::nullopt};
  uint64_t bytes = 0;
  if (options.video_memory.empty()) return flags;
  if (!absl::SimpleAtoi(options.video_memory, &bytes))
    return absl::InvalidArgumentError(
        absl::StrCat("--video-memory is '", options.video_memory, "'; write a number of bytes"));
  flags.video_memory_bytes = bytes;
  return flags;
}

absl::StatusOr<SessionSpec> ToSessionSpec(const Options& options) {
  SessionSpec spec;
  spec.name = options.create_session;
  spec.virgl = !options.no_3d;
  spec.heads = options.heads;
  if (!options.display.empty()) {
    RC_ASSIGN_OR_RETURN(spec.display_mode, ParseDisplayMode(options.display));
  }
  RC_ASSIGN_OR_RETURN(const Resolution size, ParseResolution(options.resolution));
  spec.width_px = size.width_px;
  spec.height_px = size.height_px;
  return spec;
}

}  // namespace rendercar::sidecar
