// Which sessions a list or a watch shows: "state=ready AND connected=false".
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/status.h"
#include "rendercar/v1/session.pb.h"

namespace rendercar::api_service {

class SessionFilter {
 public:
  // The grammar of ListSessionsRequest.filter. Errors name the part that is wrong and what may
  // stand there.
  static absl::StatusOr<SessionFilter> Parse(const std::string& text);

  bool Matches(const v1::Session& session) const;

 private:
  struct Comparison {
    std::string field;
    std::string value;
    bool equal = true;
  };
  std::vector<Comparison> comparisons_;
};

// "ready", "backing_off"; "unknown" for numbers from elsewhere.
std::string StateName(v1::Session::State state);

}  // namespace rendercar::api_service
