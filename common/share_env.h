// What `Allocate` tells a container: names of environment variables and places, the contract
// between node agent and sidecar.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

namespace rendercar::share_env {

// Version of this contract; a sidecar refuses a number that it does not know.
inline constexpr char kVersion[] = "RENDERCAR_ALLOCATION_VERSION";
inline constexpr char kVersion1[] = "1";

// Comma-separated lists of equal length, one entry a share that the container was given:
// share ids ("0000-03-00.0-2", "software-0"), as the kubelet knows them;
inline constexpr char kShareIds[] = "RENDERCAR_SHARE_IDS";
// the render node of each: a device path in the container ("/dev/dri/renderD128"), or "software";
inline constexpr char kRenderNodes[] = "RENDERCAR_RENDER_NODES";
// the session directory of each in the container: a private host directory, mounted read-write,
// where the sidecar leaves statistics pages for the node agent;
inline constexpr char kSessionDirs[] = "RENDERCAR_SESSION_DIRS";
// and its limit of video memory in bytes; 0: none.
inline constexpr char kVideoMemoryBytes[] = "RENDERCAR_VIDEO_MEMORY_BYTES";

// The sidecar's API in the first of its session directories, for the node agent.
inline constexpr char kApiSocket[] = "api.sock";

// Limits of each session beside video memory: "NAME=NUMBER,NAME=NUMBER" with kLimitNames. Absent or
// empty: the backend's own.
inline constexpr char kLimits[] = "RENDERCAR_LIMITS";
inline constexpr std::array<const char*, 12> kLimitNames{
    "resources",           "contexts",        "attachments",     "backing-entries",
    "all-backing-entries", "submit-size",     "in-flight",       "renderer-time",
    "display-bandwidth",   "renderer-memory", "renderer-deaths", "watchdog-ms"};

// Where a session's 3D may move when its render node is gone: device paths of the container and
// "software", comma-separated, in this order. Absent or empty: nowhere.
inline constexpr char kFailoverNodes[] = "RENDERCAR_FAILOVER_NODES";

// A directory of the container, mounted read-only, where a newer rendercar-backend (and
// rendercar-renderer beside it) may lie for upgrades of running sessions. Absent or empty: none.
inline constexpr char kUpgradeDir[] = "RENDERCAR_UPGRADE_DIR";
inline constexpr char kContainerUpgradeDir[] = "/opt/rendercar/upgrade";

// The render node that needs no device: llvmpipe through surfaceless EGL.
inline constexpr char kSoftwareNode[] = "software";

// Where session directories appear in the container, and live on the host; the last component is
// the share id there and an unguessable name here.
inline constexpr char kContainerSessionRoot[] = "/var/run/rendercar/shares";
inline constexpr char kHostSessionRoot[] = "/var/lib/rendercar/sessions";

}  // namespace rendercar::share_env
