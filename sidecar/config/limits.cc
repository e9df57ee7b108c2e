// Limits of a session that policy sets, as the backend's flags.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/config/limits.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <map>

#include "common/share_env.h"

namespace rendercar::sidecar {
namespace {

// The backend's flag for a limit of that name; empty when there is none.
std::string FlagOf(const std::string& name) {
  const auto& names = share_env::kLimitNames;
  if (std::find(names.begin(), names.end(), name) == names.end()) return "";
  return absl::StrCat(name == "renderer-memory" || name == "watchdog-ms" ? "--" : "--max-", name);
}

absl::Status Take(const std::string& text, const std::string& from,
                  std::map<std::string, std::string>& limits) {
  const size_t at = text.find('=');
  const std::string flag = FlagOf(text.substr(0, at));
  uint64_t value = 0;
  if (at == std::string::npos || flag.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("limit '", text, "' (", from,
                                                   ") is unknown; write NAME=NUMBER with one of ",
                                                   absl::StrJoin(share_env::kLimitNames, ", ")));
  }
  if (!absl::SimpleAtoi(text.substr(at + 1), &value))
    return absl::InvalidArgumentError(
        absl::StrCat("limit '", text, "' (", from, ") has no number; write NAME=NUMBER"));
  limits[flag] = absl::StrCat(value);
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
