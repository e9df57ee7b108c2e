// Between the shim that libvirt spawns and the sidecar: one greeting with one descriptor, then
// lines of text back.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace rendercar::sidecar {

// The shim sends this with the vhost-user socket in SCM_RIGHTS. The sidecar answers "started", or
// "failed: REASON" and closes; later "ended: HOW" and closes. When the shim closes, the backend
// ends.
struct ShimGreeting {
  char magic[8];
  uint32_t flags;
  uint32_t reserved;
};
static_assert(sizeof(ShimGreeting) == 16);

inline constexpr char kShimMagic[8] = {'R', 'C', 'S', 'H', 'I', 'M', '0', '1'};
inline constexpr uint32_t kShimVirgl = 1;

inline constexpr char kShimStarted[] = "started";
inline constexpr char kShimFailed[] = "failed: ";
inline constexpr char kShimEnded[] = "ended: ";

// Where the shim looks for the sidecar when neither RENDERCAR_SHIM_SOCKET nor a file PROGRAM.socket
// beside it (a link to the socket) says otherwise.
inline constexpr char kDefaultShimSocket[] = "/var/run/rendercar/sockets/shim.sock";

}  // namespace rendercar::sidecar
