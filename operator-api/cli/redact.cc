// Takes secrets out of text that leaves the machine.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/cli/redact.h"

#include <regex>

namespace rendercar::ctl {

std::string Redact(const std::string& text) {
  static const auto* secret = new std::regex(
      R"re(((?:password|passwd|token|secret|credentials?|authorization|(?:api|private|access)[_-]?key)"?\s*[:=]\s*)("[^"]*"|[^\s,;&]+(?:[ \t]+[A-Za-z0-9._~+/=-]{16,})?))re",
      std::regex::icase | std::regex::optimize);
  return std::regex_replace(text, *secret, "$1[removed]");
}

}  // namespace rendercar::ctl
