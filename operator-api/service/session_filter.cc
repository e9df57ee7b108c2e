// Which sessions a list or a watch shows: "state=ready AND connected=false".
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/service/session_filter.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <array>

#include "operator-api/service/api_error.h"

namespace rendercar::api_service {
namespace {

constexpr size_t kMaxFilterBytes = 1024;
constexpr std::array<const char*, 7> kFields{"session",   "share",     "render_node", "state",
                                             "connected", "namespace", "pod"};
constexpr std::array<const char*, 4> kStates{"starting", "ready", "backing_off", "stopping"};

template <typename Names>
bool IsOneOf(const Names& names, const std::string& word) {
  return std::find(names.begin(), names.end(), word) != names.end();
}

std::string ValueOf(const v1::Session& session, const std::string& field) {
  if (field == "session") return session.name().substr(session.name().rfind('/') + 1);
  if (field == "share") return session.share();
  if (field == "render_node") return session.render_node();
  if (field == "state") return StateName(session.state());
  if (field == "connected") return session.frontend_connected() ? "true" : "false";
  if (field == "namespace") return session.owner().namespace_();
  return session.owner().pod();
}

absl::Status Check(const std::string& field, const std::string& value) {
  if (!IsOneOf(kFields, field)) {
    return BadField("filter", absl::StrCat("has no field '", field,
                                           "'; use session, share, render_node, state, connected, "
                                           "namespace or pod"));
  }
  if (field == "state" && !IsOneOf(kStates, value)) {
    return BadField("filter", absl::StrCat("compares state with '", value,
                                           "'; use starting, ready, backing_off or stopping"));
  }
  if (field == "connected" && value != "true" && value != "false")
    return BadField("filter",
                    absl::StrCat("compares connected with '", value, "'; use true or false"));
  return absl::OkStatus();
}

std::string Unquoted(const std::string& text) {
  const std::string word(absl::StripAsciiWhitespace(text));
  const bool quoted = word.size() >= 2 && word.front() == '"' && word.back() == '"';
  return quoted ? word.substr(1, word.size() - 2) : word;
}

}  // namespace

std::string StateName(v1::Session::State state) {
  switch (state) {
    case v1::Session::STATE_STARTING:
      return "starting";
    case v1::Session::STATE_READY:
      return "ready";
    case v1::Session::STATE_BACKING_OFF:
      return "backing_off";
    case v1::Session::STATE_STOPPING:
      return "stopping";
    default:
      return "unknown";
  }
}

absl::StatusOr<SessionFilter> SessionFilter::Parse(const std::string& text) {
  if (text.size() > kMaxFilterBytes)
    return BadField("filter", absl::StrCat("is longer than ", kMaxFilterBytes, " bytes"));
  SessionFilter filter;
  if (absl::StripAsciiWhitespace(text).empty()) return filter;
  const std::vector<std::string> parts = absl::StrSplit(text, " AND ");
  for (const std::string& part : parts) {
    const size_t equal = part.find('=');
    if (equal == std::string::npos || equal == 0) {
      return BadField(
          "filter",
          absl::StrCat("has '", part, "'; write FIELD=VALUE or FIELD!=VALUE, joined by AND"));
    }
    const bool negated = part[equal - 1] == '!';
    const std::string field =
        std::string(absl::StripAsciiWhitespace(part.substr(0, negated ? equal - 1 : equal)));
    Comparison comparison{field, Unquoted(part.substr(equal + 1)), !negated};
    RC_RETURN_IF_ERROR(Check(comparison.field, comparison.value));
    filter.comparisons_.push_back(std::move(comparison));
  }
  return filter;
}

bool SessionFilter::Matches(const v1::Session& session) const {
  return std::all_of(comparisons_.begin(), comparisons_.end(), [&](const Comparison& each) {
    return (ValueOf(session, each.field) == each.value) == each.equal;
  });
}

}  // namespace rendercar::api_service
