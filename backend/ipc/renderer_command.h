// How rendercar-renderer is called: by the device process and by the probe.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rendercar::ipc {

struct RendererCommand {
  std::string program;          // rendercar-renderer
  std::string render_node;      // empty: software
  std::string capset_digest;    // CapsetDigest of what the guest was promised; empty: anything
  uint64_t data_limit_mib = 0;  // RLIMIT_DATA; 0: none
  uint32_t spin_us = 20;        // looking for a command before sleeping
  bool export_scanouts = false;

  std::vector<std::string> ServeArgv() const;
  std::vector<std::string> ProbeArgv() const;
};

}  // namespace rendercar::ipc
