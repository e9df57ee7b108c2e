// The sidecar's command line.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "common/status.h"
#include "sidecar/config/share.h"
#include "sidecar/kubevirt/place.h"
#include "sidecar/session/session.h"

namespace rendercar::sidecar {

inline constexpr char kDefaultSocketDir[] = "/var/run/rendercar/sockets";
inline constexpr char kDefaultControlSocket[] = "/var/run/rendercar/control/sidecar.sock";
inline constexpr char kDefaultMetricsAddress[] = "0.0.0.0:9465";

struct Options {
  std::string share;
  std::string render_node;
  std::string session_dir;
  std::string video_memory;    // bytes; empty: not given
  std::string socket_dir;      // empty: KubeVirt's, or kDefaultSocketDir
  std::string vmm_socket_dir;  // empty: as the sidecar sees it
  std::string control_socket;  // empty: kDefaultControlSocket; "off"
  std::string metrics_address = kDefaultMetricsAddress;
  std::string backend;
  std::string vhost_user_json_dir;
  std::vector<std::string> limits;  // NAME=NUMBER
  std::vector<std::string> failover_nodes;
  std::string shim_socket;  // empty: no shim is served
  std::vector<uint32_t> allow_uids;
  uint32_t stop_grace_ms = 2000;
  // The session that is made at start; no name: none.
  std::string create_session;
  std::string display;  // empty: secondary, under KubeVirt headless
  std::string resolution = "1280x800";
  uint32_t heads = 1;
  bool no_3d = false;
  KubevirtFlags kubevirt;
  std::string as_text;  // all flags with defaults and environment applied, for diagnostics
};

void AddFlags(CLI::App& app, Options& options);

// InvalidArgument with the flag's name.
absl::StatusOr<ShareFlags> ToShareFlags(const Options& options);
absl::StatusOr<SessionSpec> ToSessionSpec(const Options& options);

}  // namespace rendercar::sidecar
