// Limits of a session that policy sets, as the backend's flags.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/config/limits.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include <map>

#include "common/share_env.h"

namespace rendercar::sidecar {
namespace {

// What people write, and the backend's flag.
const std::map<std::string, std::string>& Known() {
  static const auto* known =
      new std::map<std::string, std::string>{{"resources", "--max-resources"},
                                             {"contexts", "--max-contexts"},
                                             {"backing-entries", "--max-backing-entries"},
                                             {"all-backing-entries", "--max-all-backing-entries"},
                                             {"attachments", "--max-attachments"},
                                             {"submit-size", "--max-submit-size"},
                                             {"in-flight", "--max-in-flight"},
                                             {"renderer-time", "--max-renderer-time"},
                                             {"display-bandwidth", "--max-display-bandwidth"},
                                             {"renderer-memory", "--renderer-memory"},
                                             {"renderer-deaths", "--max-renderer-deaths"},
                                             {"watchdog-ms", "--watchdog-ms"}};
  return *known;
}

absl::Status Take(const std::string& text, const std::string& from,
                  std::map<std::string, std::string>& limits) {
  const size_t at = text.find('=');
  const auto known = Known().find(text.substr(0, at));
  uint64_t value = 0;
  if (at == std::string::npos || known == Known().end()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "limit '", text, "' (", from, ") is unknown; write NAME=NUMBER with one of ",
        absl::StrJoin(Known(), ", ",
                      [](std::string* out, const auto& entry) { out->append(entry.first); })));
  }
  if (!absl::SimpleAtoi(text.substr(at + 1), &value))
    return absl::InvalidArgumentError(
        absl::StrCat("limit '", text, "' (", from, ") has no number; write NAME=NUMBER"));
  limits[known->second] = absl::StrCat(value);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> LimitFlags(const std::string& from_allocate,
                                                    const std::vector<std::string>& flags) {
  std::map<std::string, std::string> limits;
  for (const auto& text : absl::StrSplit(from_allocate, ',', absl::SkipWhitespace()))
    RC_RETURN_IF_ERROR(Take(std::string(text), share_env::kLimits, limits));
  for (const std::string& text : flags) RC_RETURN_IF_ERROR(Take(text, "--limit", limits));
  std::vector<std::string> result;
  for (const auto& [flag, value] : limits) result.push_back(absl::StrCat(flag, "=", value));
  return result;
}

std::vector<std::string> FailoverFlags(const std::string& from_allocate,
                                       const std::vector<std::string>& flags) {
  std::vector<std::string> nodes = flags;
  if (nodes.empty()) nodes = absl::StrSplit(from_allocate, ',', absl::SkipWhitespace());
  for (std::string& node : nodes) node = absl::StrCat("--failover-node=", node);
  return nodes;
}

}  // namespace rendercar::sidecar
