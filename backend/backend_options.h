// What rendercar-backend is told on its command line.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backend/gpu/gpu_device.h"
#include "common/program.h"
#include "common/status.h"
#include "common/unique_fd.h"

namespace rendercar::backend {

enum class RendererKind { kProcess, kNull };

struct Options {
  std::string socket_path;  // one of these two
  int fd = -1;
  std::string render_node;                  // empty: software
  std::vector<std::string> failover_nodes;  // where 3D may move when it is gone; "software" too
  bool virgl = false;
  bool persistent = false;
  bool dmabuf_scanouts = false;
  bool headless = false;  // no screens: every head is reported disabled, no picture is sent
  std::string stats_path;
  std::string screenshot_socket;  // empty: none
  std::string handover_socket;    // empty: none
  std::string take_over;          // the handover socket of the backend that this one replaces
  int status_fd = -1;             // where --take-over tells its outcome
  std::string session;
  RendererKind renderer = RendererKind::kProcess;
  std::string renderer_program;  // empty: found beside the own executable
  std::string probe_cache;       // empty: the default place; "none": no cache
  uint32_t watchdog_ms = 10'000;
  uint64_t renderer_memory = 0;  // bytes of private memory; 0: no limit
  uint32_t renderer_spin_us = 20;
  uint32_t max_renderer_deaths = 3;
  uint32_t max_restart_wait_ms = 5000;
  gpu::Limits limits;
};

// Parses; the exit code instead of options when the program ends here (--help, a wrong flag). Sets
// up logging.
struct Parsed {
  Options options;
  std::optional<ExitCode> exit;
};
Parsed ParseOptions(int argc, char** argv);

// Whether --print-capabilities is among the arguments; by convention it makes all others ignored.
bool WantsCapabilities(int argc, char** argv);

// Takes over the descriptor that --fd names: InvalidArgument, in words, when it is not open or no
// connected unix stream socket.
absl::StatusOr<UniqueFd> AdoptSocket(int fd);

}  // namespace rendercar::backend
