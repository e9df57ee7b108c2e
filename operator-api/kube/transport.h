// One HTTP request to the API server and its answer, or its lines as they come.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "common/status.h"

namespace rendercar::kube {

struct Request {
  std::string method = "GET";
  std::string path;  // with the query
  std::string content_type;
  std::string body;
  std::chrono::seconds timeout{30};
};

struct Response {
  long status = 0;
  long retry_after_s = -1;  // -1: the server did not say
  std::string body;
};

// False ends the stream.
using LineHandler = std::function<bool(const std::string& line)>;

class Transport {
 public:
  virtual ~Transport() = default;

  // Whatever HTTP status comes is a Response; Unavailable when none comes.
  virtual absl::StatusOr<Response> Send(const Request& request) = 0;
  // The same; each line of an answer of status 200 goes to `handler` at once, not into the body.
  virtual absl::StatusOr<Response> Stream(const Request& request, const LineHandler& handler) = 0;
};

}  // namespace rendercar::kube
