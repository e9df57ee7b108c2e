// What must hold before a VM can have a GPU here: checks with names that scripts can compare, one
// sentence each, with the remedy.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/status.h"
#include "sidecar/config/share.h"

namespace rendercar::sidecar {

enum class PreflightResult { kPass, kFail, kSkip };

struct PreflightCheck {
  std::string reason;  // CamelCase: "LauncherUnsupported"
  PreflightResult result = PreflightResult::kPass;
  std::string sentence;
};

struct PreflightInput {
  std::vector<Share> shares;
  std::string vmm_socket_path;                 // as the VMM's container sees it
  std::optional<uint64_t> memory_limit_bytes;  // of this container
  std::string qemu_devices;                    // what QEMU's "-device help" printed; empty: unknown
  std::string domain_xml;                      // as defined; empty: unknown
  std::string vmi_json;                        // empty: unknown
  std::string share_problem;                   // why there are no shares, where that is known
  std::string qemu_problem;                    // why QEMU did not tell its devices
};

// A renderer and its driver need this much; less ends in an out-of-memory kill.
inline constexpr uint64_t kLeastMemoryBytes = uint64_t{256} << 20;

// Every check, in a fixed order; what is unknown is skipped.
std::vector<PreflightCheck> Preflight(const PreflightInput& input);

// One line a check.
std::string PreflightText(const std::vector<PreflightCheck>& checks);

}  // namespace rendercar::sidecar
